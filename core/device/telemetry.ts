/**
 * Telemetry: reads a device's payload into messages, and names each message's identity. Leaves what the readings come
 * to to `metrics.ts`.
 *
 * T1 A refused message never takes its neighbours with it: the rest of an array goes on.
 */
import { hash53 } from "../hash.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import { readJsonPayload } from "./json-payload.ts";

export type ReadingValue = number | boolean | string;
export type Readings = Readonly<Record<string, ReadingValue>>;

/** What makes two messages the same one: a sequence number per boot, an id, else a hash of time and payload. */
export type MessageIdentity =
  | { readonly kind: "sequence"; readonly boot: string; readonly seq: number }
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "hash"; readonly hash: number };

export type TelemetryMessage = {
  readonly tsMs: number;
  readonly readings: Readings;
  readonly tags?: Readonly<Record<string, string>>;
  readonly identity: MessageIdentity;
};

/** Why a telemetry message is refused: the label under which dead letters are counted. */
export type RefusalReason =
  | "not-utf8"
  | "malformed-json"
  | "not-an-object"
  | "bad-timestamp"
  | "clock-ahead"
  | "bad-identity"
  | "missing-readings"
  | "too-many-readings"
  | "bad-metric-name"
  | "bad-reading-type"
  | "bad-tags"
  | "too-many-metrics"
  | "unknown-field"
  | "quarantined";

export type Refusal = { readonly reason: RefusalReason; readonly detail: string };

/** One element of a payload: a message with its element, or why it is none, with its own text for the dead-letter log. */
export type Parsed =
  | { readonly kind: "message"; readonly message: TelemetryMessage; readonly body: JsonObject }
  | { readonly kind: "refused"; readonly refusal: Refusal; readonly text: string | null };

export const maxReadings = 256;
const maxMessages = 10_000;
const metricName = /^[\p{L}\p{N}_][\p{L}\p{N}_.:/-]{0,127}$/u;
const fields = new Set(["ts", "seq", "boot", "id", "readings", "tags"]);

/** Reads a payload from `devices/{id}/telemetry`: one object or an array of them. */
export function parseTelemetry(payload: Uint8Array, nowMs: number, maxClockAheadMs: number): Parsed[] {
  const read = readJsonPayload(payload, "The payload");
  if (read.kind === "refused") return [refused(read.reason, read.detail, null)];
  const { body } = read;
  if (!Array.isArray(body)) return [parseMessage(body, nowMs, maxClockAheadMs, null)];
  if (body.length === 0)
    return [refused("not-an-object", "The payload is an empty array. Send at least one telemetry object.", null)];
  if (body.length > maxMessages)
    return [
      refused("too-many-readings", `The array holds ${body.length} messages; at most ${maxMessages} go in one.`, null),
    ];
  return body.map((element) => parseMessage(element, nowMs, maxClockAheadMs, element));
}

function parseMessage(body: unknown, nowMs: number, maxClockAheadMs: number, original: unknown): Parsed {
  const refuse = (reason: RefusalReason, detail: string) =>
    refused(reason, detail, original === null ? null : textOf(original));
  if (!isJsonObject(body)) {
    return refuse("not-an-object", `A telemetry message is an object with "readings"; this one is ${kindOf(body)}.`);
  }
  for (const field in body) {
    if (!fields.has(field))
      return refuse(
        "unknown-field",
        `The field "${clip(field)}" is unknown; the fields are ${[...fields].join(", ")}.`,
      );
  }
  const tsMs = timestampOf(body.ts, nowMs);
  if (tsMs === null)
    return refuse(
      "bad-timestamp",
      `"ts" is ${typeof body.ts === "string" ? `"${clip(body.ts)}"` : kindOf(body.ts)} but needs epoch milliseconds or ISO 8601.`,
    );
  if (tsMs > nowMs + maxClockAheadMs)
    return refuse(
      "clock-ahead",
      `"ts" is ${new Date(tsMs).toISOString()}, too far ahead of our clock. Set the device's clock.`,
    );
  const { readings } = body;
  if (!isJsonObject(readings))
    return refuse(
      "missing-readings",
      `"readings" is ${kindOf(readings)} but needs an object like {"temperature": 21.5}.`,
    );
  let count = 0;
  for (const metric in readings) {
    count += 1;
    if (!isMetricName(metric))
      return refuse("bad-metric-name", `"${clip(metric)}" is no metric name: 1 to 128 letters, digits or _ . : / -.`);
    const value = readings[metric];
    const type = typeof value;
    if (type !== "number" && type !== "boolean" && type !== "string")
      return refuse(
        "bad-reading-type",
        `Reading "${metric}" is ${kindOf(value)} but needs a number, boolean or string.`,
      );
    if (type === "number" && !Number.isFinite(value as number))
      return refuse("bad-reading-type", `Reading "${metric}" is beyond what a number can hold.`);
  }
  if (count === 0) return refuse("missing-readings", `"readings" is empty. Send at least one reading.`);
  if (count > maxReadings)
    return refuse("too-many-readings", `${count} readings; at most ${maxReadings} go in a message.`);
  const { tags } = body;
  if (tags !== undefined && (!isJsonObject(tags) || Object.values(tags).some((value) => typeof value !== "string")))
    return refuse("bad-tags", `"tags" needs an object of strings.`);
  const identity = identityOf(body, tsMs);
  if (typeof identity === "string") return refuse("bad-identity", identity);
  if (tags === undefined) return { kind: "message", message: { tsMs, readings: readings as Readings, identity }, body };
  return {
    kind: "message",
    message: { tsMs, readings: readings as Readings, identity, tags: tags as Record<string, string> },
    body,
  };
}

function identityOf(body: { [field: string]: unknown }, tsMs: number): MessageIdentity | string {
  const { seq, boot, id } = body;
  if (id !== undefined) {
    if (typeof id !== "string" || id.length === 0 || id.length > 128)
      return `"id" needs a string of 1 to 128 characters.`;
    return { kind: "id", id };
  }
  if (boot !== undefined && ((typeof boot !== "string" && typeof boot !== "number") || String(boot).length > 64))
    return `"boot" needs a string or number of at most 64 characters.`;
  if (seq !== undefined) {
    if (!Number.isSafeInteger(seq) || (seq as number) < 0) return `"seq" needs a whole number from 0 on.`;
    if (boot === undefined) return { kind: "sequence", boot: "", seq: seq as number };
    return { kind: "sequence", boot: String(boot), seq: seq as number };
  }
  // Every field is flat by now: this cannot be nested without end.
  return { kind: "hash", hash: hash53(`${tsMs}|${JSON.stringify(body)}`) };
}

export function isMetricName(name: string): boolean {
  return asciiName.test(name) || (name !== "__proto__" && metricName.test(name));
}

/** JSON of a refused element; null where it nests deeper than the stack, so that the whole payload is kept instead. */
function textOf(value: unknown): string | null {
  try {
    return JSON.stringify(value);
  } catch {
    return null;
  }
}

/** Epoch ms of a "ts": a number (epoch ms), ISO 8601 text (UTC if it names no zone), or none: now. */
function timestampOf(ts: unknown, nowMs: number): number | null {
  if (ts === undefined) return nowMs;
  if (typeof ts === "number") return Number.isFinite(ts) && ts >= 0 && ts < 8.64e15 ? Math.floor(ts) : null;
  if (typeof ts !== "string" || !isoTime.test(ts)) return null;
  const parsed = Date.parse(zoned.test(ts) ? ts : `${ts}Z`);
  return Number.isNaN(parsed) || parsed < 0 ? null : parsed;
}

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/;
const zoned = /(Z|[+-]\d\d:?\d\d)$/;

/** Nearly every metric's name, tested before the Unicode one. */
const asciiName = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

function refused(reason: RefusalReason, detail: string, text: string | null): Parsed {
  return { kind: "refused", refusal: { reason, detail }, text };
}

function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
