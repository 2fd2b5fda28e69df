/**
 * A device's shadow: what apps want of it (desired) and what it says of itself (reported), by the rules of AWS IoT's
 * Device Shadow service. MQTT and HTTP requests go through `decideShadow` alike; topics and headers are the gateways'.
 *
 * S1 Each accepted update makes the version exactly 1 greater.
 * S2 A deleted shadow leaves its version for 48 h: one made again in that time goes on counting from it.
 * S3 No null is ever stored; a section without keys is not there at all.
 * S4 Metadata mirrors the state; times come from the records, so a replay makes the same.
 */
import type { JsonObject } from "../json.ts";
import { own } from "../own.ts";
import { unreachable } from "../unreachable.ts";
import type { Send } from "./inputs.ts";
import type { ShadowUpdated, TwinRecord } from "./records.ts";
import { difference, isEmpty } from "./shadow-delta.ts";
import { stateBytes } from "./shadow-limits.ts";
import { mergeState } from "./shadow-merge.ts";
import { mergeMetadata, metadataOf, stamp } from "./shadow-metadata.ts";
import {
  type ParsedRequest,
  parseShadowRequest,
  type ShadowError,
  type ShadowRequest,
  type StatePatch,
  shadowErrors,
} from "./shadow-request.ts";

export type { ShadowRequest } from "./shadow-request.ts";

export type Shadow = LiveShadow | DeletedShadow;

export type LiveShadow = {
  readonly kind: "live";
  /** Starts at 1. */
  readonly version: number;
  readonly desired?: JsonObject;
  readonly reported?: JsonObject;
  /** The shape of desired and reported, `{timestamp}` in epoch seconds at each leaf. */
  readonly metadata: { readonly desired?: JsonObject; readonly reported?: JsonObject };
  readonly updatedAtMs: number;
};

/** What is kept of a deleted shadow: the version to go on from (S2). */
export type DeletedShadow = { readonly kind: "deleted"; readonly version: number; readonly deletedAtMs: number };

/** How long a deleted shadow's version is remembered. */
export const tombstoneMs = 48 * 3_600_000;

/** Tombstones kept of one device: one that makes up and deletes names must not grow without bound. */
export const maxTombstones = 64;

/** `body` is the answer as it goes out, AWS's document; the other fields are for those who must not dig in it. */
export type ShadowAnswer =
  | {
      readonly kind: "accepted";
      readonly operation: ShadowRequest["kind"];
      readonly version: number;
      readonly body: JsonObject;
    }
  | {
      readonly kind: "rejected";
      readonly operation: ShadowRequest["kind"];
      /** An HTTP status: 400, 404, 409, 413, 415, … */
      readonly code: number;
      readonly message: string;
      readonly clientToken?: string;
      readonly body: JsonObject;
    };

export type ShadowContext = {
  /** The device's id, which names the classic shadow in messages. */
  readonly thing: string;
  readonly nowMs: number;
  readonly by: "device" | "app";
  /** Most bytes of desired + reported as JSON, metadata not counted. */
  readonly maxBytes: number;
  /** Most levels of nesting in a section, itself counted. */
  readonly maxDepth: number;
};

export type ShadowDecision = {
  readonly records: readonly TwinRecord[];
  readonly sends: readonly Send[];
  readonly answer: ShadowAnswer;
};

/** Decides a request to the shadow `name` ("" is the classic one): at most one record, which is the whole change. */
export function decideShadow(
  shadow: Shadow | undefined,
  name: string,
  request: ShadowRequest,
  context: ShadowContext,
): ShadowDecision {
  const outcome = parseShadowRequest(request, context.maxDepth);
  if (outcome.kind === "refused") return rejected(request.kind, outcome.error, context.nowMs, outcome.clientToken);
  const { request: parsed } = outcome;
  const current = shadow?.kind === "live" ? shadow : undefined;
  switch (parsed.kind) {
    case "get":
      return current === undefined ? notFound(parsed, name, context) : answerGet(current, parsed, context);
    case "delete":
      return current === undefined ? notFound(parsed, name, context) : decideDelete(current, name, parsed, context);
    case "update":
      return decideUpdate(shadow, name, parsed, context);
    default:
      return unreachable(parsed);
  }
}

/** A refusal in AWS's form, for those that turn a request away before it reaches the twin (429, 403, 500). */
export function rejectedAnswer(
  operation: ShadowRequest["kind"],
  error: ShadowError,
  nowMs: number,
  clientToken?: string,
): ShadowAnswer {
  const token = echo(clientToken);
  const body = { ...error, timestamp: toSeconds(nowMs), ...token };
  return { kind: "rejected", operation, ...error, ...token, body };
}

function answerGet(shadow: LiveShadow, { clientToken }: ParsedRequest, { nowMs }: ShadowContext): ShadowDecision {
  const body = { ...documentOf(shadow, nowMs), ...echo(clientToken) };
  return { records: [], sends: [], answer: { kind: "accepted", operation: "get", version: shadow.version, body } };
}

function decideDelete(
  { version }: LiveShadow,
  name: string,
  { clientToken, conditions }: Extract<ParsedRequest, { kind: "delete" }>,
  { nowMs }: ShadowContext,
): ShadowDecision {
  if (conditions.some((condition) => condition !== version)) {
    return rejected("delete", shadowErrors.versionConflict, nowMs, clientToken);
  }
  const body = { version, timestamp: toSeconds(nowMs), ...echo(clientToken) };
  return {
    records: [{ kind: "shadowDeleted", atMs: nowMs, shadow: name, version }],
    sends: [],
    answer: { kind: "accepted", operation: "delete", version, body },
  };
}

function decideUpdate(
  shadow: Shadow | undefined,
  name: string,
  request: Extract<ParsedRequest, { kind: "update" }>,
  { nowMs, by, maxBytes }: ShadowContext,
): ShadowDecision {
  const { clientToken, patch } = request;
  const before = remembered(shadow, nowMs);
  if (!request.conditions.every((condition) => isCurrent(before, condition))) {
    return rejected("update", shadowErrors.versionConflict, nowMs, clientToken);
  }
  const version = (before?.version ?? 0) + 1; // S1, S2
  const record: ShadowUpdated = { kind: "shadowUpdated", atMs: nowMs, shadow: name, version, ...patch, by };
  const after = updated(before, record);
  if (stateBytes(after) > maxBytes) return rejected("update", shadowErrors.tooLarge, nowMs, clientToken);

  const timestamp = toSeconds(nowMs);
  const token = echo(clientToken);
  const documents = { previous: snapshot(before), current: snapshot(after), timestamp, ...token };
  const delta = deltaMessage(after, nowMs, clientToken);
  const sends: Send[] = delta === null ? [] : [{ kind: "shadowDelta", shadow: name, body: delta }];
  sends.push({ kind: "shadowDocuments", shadow: name, body: documents });
  const body = {
    state: request.clears ? null : { ...patch },
    metadata: stampPatch(patch, timestamp),
    version,
    timestamp,
    ...token,
  };
  return { records: [record], sends, answer: { kind: "accepted", operation: "update", version, body } };
}

/** The shadow after one of its records: the only way in which it changes. */
export function evolveShadow(
  shadow: Shadow | undefined,
  record: Extract<TwinRecord, { kind: "shadowUpdated" | "shadowDeleted" }>,
): Shadow {
  switch (record.kind) {
    case "shadowUpdated":
      return updated(shadow, record);
    case "shadowDeleted":
      return { kind: "deleted", version: record.version, deletedAtMs: record.atMs };
    default:
      return unreachable(record);
  }
}

/**
 * A device's shadows, by name, after one of their records. A deletion also forgets the tombstones that no longer
 * count: those older than 48 h, and all but the newest `maxTombstones`.
 */
export function evolveShadows(
  shadows: Readonly<Record<string, Shadow>>,
  record: Extract<TwinRecord, { kind: "shadowUpdated" | "shadowDeleted" }>,
): Readonly<Record<string, Shadow>> {
  const after = { ...shadows, [record.shadow]: evolveShadow(own(shadows, record.shadow), record) };
  return record.kind === "shadowDeleted" ? withoutOldTombstones(after, record.atMs) : after;
}

function withoutOldTombstones(
  shadows: Readonly<Record<string, Shadow>>,
  nowMs: number,
): Readonly<Record<string, Shadow>> {
  const counting: string[] = [];
  for (const [name, shadow] of Object.entries(shadows)) {
    if (shadow.kind === "deleted" && remembered(shadow, nowMs)) counting.push(name);
  }
  const deletedAtMs = (name: string) => (shadows[name] as DeletedShadow).deletedAtMs;
  const kept = new Set(counting.sort((a, b) => deletedAtMs(b) - deletedAtMs(a)).slice(0, maxTombstones));
  return Object.fromEntries(
    Object.entries(shadows).filter(([name, shadow]) => shadow.kind === "live" || kept.has(name)),
  );
}

function updated(shadow: Shadow | undefined, record: ShadowUpdated): LiveShadow {
  const before = shadow?.kind === "live" ? shadow : undefined;
  const timestamp = toSeconds(record.atMs);
  const desired = section(before?.desired, before?.metadata.desired, record.desired, timestamp);
  const reported = section(before?.reported, before?.metadata.reported, record.reported, timestamp);
  return {
    kind: "live",
    version: record.version,
    ...(desired && { desired: desired.state }),
    ...(reported && { reported: reported.state }),
    metadata: {
      ...(desired && { desired: desired.metadata }),
      ...(reported && { reported: reported.metadata }),
    },
    updatedAtMs: record.atMs,
  };
}

/** A section after a patch; undefined if nothing is left of it (S3). */
function section(
  state: JsonObject = {},
  metadata: JsonObject = {},
  patch: JsonObject | null | undefined,
  timestamp: number,
): { state: JsonObject; metadata: JsonObject } | undefined {
  if (patch === null) return undefined;
  const after = patch === undefined ? state : mergeState(state, patch);
  if (isEmpty(after)) return undefined;
  return { state: after, metadata: patch === undefined ? metadata : mergeMetadata(metadata, patch, timestamp) };
}

/** What is desired and not yet reported; null if nothing is. */
export function deltaOf(shadow: Shadow): JsonObject | null {
  if (shadow.kind === "deleted") return null;
  const delta = difference(shadow.desired ?? {}, shadow.reported ?? {});
  return isEmpty(delta) ? null : delta;
}

/** The body of `update/delta`; null if there is nothing to change. Sent again as it is when the device comes back. */
export function deltaMessage(shadow: Shadow, nowMs: number, clientToken?: string): JsonObject | null {
  const delta = deltaOf(shadow);
  if (shadow.kind === "deleted" || delta === null) return null;
  return {
    state: delta,
    metadata: metadataOf(shadow.metadata.desired ?? {}, delta),
    version: shadow.version,
    timestamp: toSeconds(nowMs),
    ...echo(clientToken),
  };
}

/** In the place of a shadow's name: every shadow of the device. No shadow can be named so. */
export const everyShadow = "#";

/** The deltas that a device still has to hear of: of the shadow `name`, or of `everyShadow`. */
export function pendingDeltas(shadows: Readonly<Record<string, Shadow>>, name: string, nowMs: number): Send[] {
  const sends: Send[] = [];
  for (const shadow of name === everyShadow ? liveShadowNames(shadows) : [name]) {
    const pending = own(shadows, shadow);
    const body = pending === undefined ? null : deltaMessage(pending, nowMs);
    if (body !== null) sends.push({ kind: "shadowDelta", shadow, body });
  }
  return sends;
}

/** The document that a get answers: state (with the delta if there is one), metadata, version, timestamp. */
export function documentOf(shadow: LiveShadow, nowMs: number): JsonObject {
  const { state, metadata, version } = snapshot(shadow);
  const delta = deltaOf(shadow);
  return {
    state: delta === null ? state : { ...state, delta },
    metadata,
    version,
    timestamp: toSeconds(nowMs),
  };
}

/** The names of the shadows that are not deleted, sorted; "" is the classic one. */
export function liveShadowNames(shadows: Readonly<Record<string, Shadow>>): string[] {
  return Object.entries(shadows)
    .filter(([, shadow]) => shadow.kind === "live")
    .map(([name]) => name)
    .sort();
}

/** The shadow as far as it still counts: a tombstone is forgotten after 48 h (S2). */
function remembered(shadow: Shadow | undefined, nowMs: number): Shadow | undefined {
  return shadow?.kind === "deleted" && nowMs - shadow.deletedAtMs > tombstoneMs ? undefined : shadow;
}

/**
 * Whether an update may name `version`: a live shadow's own; without one 0 ("make it") or, as aws-iot-device-sdk
 * sends after a delete, the deleted one's.
 */
function isCurrent(shadow: Shadow | undefined, version: number): boolean {
  return version === (shadow?.version ?? 0) || (version === 0 && shadow?.kind !== "live");
}

function snapshot(shadow: Shadow | undefined): { state: JsonObject; metadata: JsonObject; version: number } {
  if (shadow?.kind !== "live") return { state: {}, metadata: {}, version: shadow?.version ?? 0 };
  const { desired, reported, metadata, version } = shadow;
  return {
    state: { ...(desired && { desired }), ...(reported && { reported }) },
    metadata: { ...metadata },
    version,
  };
}

function stampPatch({ desired, reported }: StatePatch, timestamp: number): JsonObject {
  return {
    ...(desired && { desired: stamp(desired, timestamp) }),
    ...(reported && { reported: stamp(reported, timestamp) }),
  };
}

function notFound({ kind, clientToken }: ParsedRequest, name: string, { thing, nowMs }: ShadowContext): ShadowDecision {
  return rejected(kind, shadowErrors.noShadow(name === "" ? thing : name), nowMs, clientToken);
}

function rejected(
  operation: ShadowRequest["kind"],
  error: ShadowError,
  nowMs: number,
  clientToken?: string,
): ShadowDecision {
  return { records: [], sends: [], answer: rejectedAnswer(operation, error, nowMs, clientToken) };
}

function echo(clientToken: string | undefined): { clientToken?: string } {
  return clientToken === undefined ? {} : { clientToken };
}

function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}
