/**
 * What a device was told to do: the states of a command as an XState machine, and a twin's ledger of commands.
 * Leaves sending to the turn and history beyond the newest ended ones to the log.
 *
 * C1 Each command ends in exactly one terminal state, and never leaves it.
 * C2 Expiry counts until the device has acknowledged: then the command is in its hands, and only it (or a cancel)
 *    ends it.
 * C3 The device's word about its own command counts in every open state: it may answer at once, or without our having
 *    noted the send.
 */
import { createMachine, transition } from "xstate";
import { isJsonObject, type Json, nestsDeeper } from "../json.ts";
import { readJsonPayload } from "./json-payload.ts";
import type { TwinPolicy } from "./policy.ts";
import type { CommandMoved, CommandRequested } from "./records.ts";

export type OpenCommandState = "queued" | "sent" | "acknowledged";
export type EndedCommandState = "succeeded" | "failed" | "rejected" | "expired" | "cancelled";
export type CommandState = OpenCommandState | EndedCommandState;

/** Plain JSON; times are epoch ms of our clock. A field that nobody has given is not there. */
export type Command = {
  readonly id: string;
  readonly name: string;
  readonly parameters: Json;
  readonly state: CommandState;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly expiresAtMs: number | null;
  /** The newest progress that the device has told. */
  readonly progress?: Json;
  readonly result?: Json;
  readonly reason?: string;
};

/** A twin's commands, plain JSON. */
export type CommandLedger = {
  /** In order of creation. */
  readonly open: readonly Command[];
  /** The newest `keptEnded`, in the order in which they ended. */
  readonly ended: readonly Command[];
};

export const emptyLedger: CommandLedger = { open: [], ended: [] };

/** How many ended commands a twin remembers: the older ones are in the log. */
export const keptEnded = 20;

export type CommandEvent = {
  readonly type: "sent" | "acknowledged" | "progressed" | EndedCommandState;
};

const ends = { succeeded: "succeeded", failed: "failed", rejected: "rejected", cancelled: "cancelled" } as const;

/** The states of one command, as data. `{}` says that an event means nothing in a state; open states name them all. */
export const commandMachine = createMachine({
  types: {} as { events: CommandEvent },
  id: "command",
  initial: "queued",
  states: {
    queued: {
      on: { ...ends, sent: "sent", acknowledged: "acknowledged", progressed: "acknowledged", expired: "expired" },
    },
    sent: { on: { ...ends, sent: {}, acknowledged: "acknowledged", progressed: "acknowledged", expired: "expired" } },
    acknowledged: { on: { ...ends, sent: {}, acknowledged: {}, progressed: "acknowledged", expired: {} } },
    succeeded: { type: "final" },
    failed: { type: "final" },
    rejected: { type: "final" },
    expired: { type: "final" },
    cancelled: { type: "final" },
  },
});

/** The state after `event`: the same one where the event means nothing. */
export function stepCommand(state: CommandState, event: CommandEvent["type"]): CommandState {
  const before = commandMachine.resolveState({ value: state, context: {} });
  if (before.status === "done") return state; // C1
  return transition(commandMachine, before, { type: event })[0].value as CommandState;
}

/** The command's newest state, open or lately ended. */
export function findCommand(ledger: CommandLedger, id: string): Command | undefined {
  return ledger.open.find((command) => command.id === id) ?? ledger.ended.findLast((command) => command.id === id);
}

/** A command is ended once it is in a terminal state. */
export function isEnded(state: CommandState): state is EndedCommandState {
  return state !== "queued" && state !== "sent" && state !== "acknowledged";
}

export type CommandRequest = {
  readonly command: string;
  readonly name: string;
  readonly parameters: Json;
  /** Milliseconds from now, or null for never. */
  readonly expiresInMs: number | null;
};

export type RequestOutcome =
  | { readonly kind: "requested"; readonly record: CommandRequested }
  /** The same request again: it stands as it is. */
  | { readonly kind: "repeated"; readonly command: Command }
  /** The id is taken by another request, or the device has too many open commands. */
  | { readonly kind: "conflict"; readonly detail: string };

/** A new command, queued. The same id with the same content is the same request. */
export function requestCommand(
  ledger: CommandLedger,
  input: CommandRequest,
  nowMs: number,
  policy: Pick<TwinPolicy, "maxOpenCommands">,
): RequestOutcome {
  const { command, name, parameters, expiresInMs } = input;
  const known = findCommand(ledger, command);
  if (known !== undefined) {
    const knownExpiresInMs = known.expiresAtMs === null ? null : known.expiresAtMs - known.createdAtMs;
    if (known.name === name && knownExpiresInMs === expiresInMs && sameJson(known.parameters, parameters))
      return { kind: "repeated", command: known };
    return { kind: "conflict", detail: `The command "${command}" exists with another content. Use a new id.` };
  }
  if (ledger.open.length >= policy.maxOpenCommands) {
    const detail = `The device has ${ledger.open.length} open commands; at most ${policy.maxOpenCommands} may be open. Cancel some, or wait for it.`;
    return { kind: "conflict", detail };
  }
  const expiresAtMs = expiresInMs === null ? null : nowMs + expiresInMs;
  return {
    kind: "requested",
    record: { kind: "commandRequested", atMs: nowMs, command, name, parameters, expiresAtMs },
  };
}

/** What a listening device still has to be sent, in order of creation: queued, or sent and never acknowledged. */
export function dueCommands(ledger: CommandLedger, nowMs: number): Command[] {
  return ledger.open.filter((command) => command.state !== "acknowledged" && !hasExpired(command, nowMs));
}

/** The record that `command` has been sent; null if that is known already. */
export function markSent(command: Command, nowMs: number): CommandMoved | null {
  const to = stepCommand(command.state, "sent");
  return to === command.state ? null : { kind: "commandMoved", atMs: nowMs, command: command.id, to };
}

export type MoveOutcome =
  /** `command` is as it was before. */
  | { readonly kind: "moved"; readonly record: CommandMoved; readonly command: Command }
  /** It says what is known already. */
  | { readonly kind: "unchanged"; readonly command: Command }
  | { readonly kind: "refused"; readonly reason: CommandRefusalReason; readonly detail: string };

/** The label under which refused acknowledgements are counted. */
export type CommandRefusalReason =
  | "not-utf8"
  | "malformed-json"
  | "not-an-object"
  | "too-deep"
  | "bad-status"
  | "bad-reason"
  | "unknown-command"
  | "command-ended";

/** The device's word on a command, as received: `{"status", "progress"?, "result"?, "reason"?}`; other fields are the device's own business. */
export function acknowledge(ledger: CommandLedger, id: string, payload: Uint8Array, nowMs: number): MoveOutcome {
  const word = parseAcknowledgement(payload);
  if ("detail" in word) return { kind: "refused", ...word };
  const command = findCommand(ledger, id);
  if (command === undefined)
    return refused(
      "unknown-command",
      `The device has no command "${id}". Acknowledge with the id that it was sent with.`,
    );
  const { status, ...told } = word;
  if (isEnded(command.state)) {
    const byDevice = command.state !== "expired" && command.state !== "cancelled";
    // A redelivered acknowledgement: of the same end, or of the way there.
    if (byDevice && (status === command.state || status === "acknowledged" || status === "in_progress"))
      return { kind: "unchanged", command };
    return refused("command-ended", `The command "${id}" is ${command.state} already and cannot become ${status}.`);
  }
  const to = stepCommand(command.state, status === "in_progress" ? "progressed" : status);
  if (to === command.state && !tellsMore(command, told)) return { kind: "unchanged", command };
  return { kind: "moved", record: { kind: "commandMoved", atMs: nowMs, command: id, to, ...told }, command };
}

/** An app's cancel: it ends any open command, and the device that may have it is to be told. */
export function cancelCommand(ledger: CommandLedger, id: string, nowMs: number, reason?: string): MoveOutcome {
  const command = findCommand(ledger, id);
  if (command === undefined) return refused("unknown-command", `The device has no command "${id}".`);
  if (command.state === "cancelled") return { kind: "unchanged", command };
  if (isEnded(command.state))
    return refused("command-ended", `The command "${id}" is ${command.state} already and cannot be cancelled.`);
  const to = stepCommand(command.state, "cancelled");
  const why = reason === undefined ? {} : { reason };
  return { kind: "moved", record: { kind: "commandMoved", atMs: nowMs, command: id, to, ...why }, command };
}

/** The end of every command whose time has come by `nowMs` (C2). */
export function expireCommands(ledger: CommandLedger, nowMs: number): CommandMoved[] {
  return ledger.open.flatMap((command) => {
    if (!hasExpired(command, nowMs)) return [];
    const to = stepCommand(command.state, "expired");
    return to === command.state ? [] : [{ kind: "commandMoved", atMs: nowMs, command: command.id, to } as const];
  });
}

/** When the next command expires, epoch ms; null if none will. */
export function commandDeadline(ledger: CommandLedger): number | null {
  let next: number | null = null;
  for (const { state, expiresAtMs } of ledger.open) {
    if (state === "acknowledged" || expiresAtMs === null) continue;
    if (next === null || expiresAtMs < next) next = expiresAtMs;
  }
  return next;
}

/** The ledger after `record`. */
export function evolveCommands(ledger: CommandLedger, record: CommandRequested | CommandMoved): CommandLedger {
  if (record.kind === "commandRequested") {
    const { command: id, name, parameters, atMs, expiresAtMs } = record;
    const created: Command = {
      id,
      name,
      parameters,
      state: "queued",
      createdAtMs: atMs,
      updatedAtMs: atMs,
      expiresAtMs,
    };
    return { open: [...ledger.open, created], ended: ledger.ended };
  }
  const index = ledger.open.findIndex((command) => command.id === record.command);
  if (index < 0) return ledger; // C1
  const { to: state, atMs: updatedAtMs, progress, result, reason } = record;
  const moved: Command = {
    ...ledger.open[index]!,
    state,
    updatedAtMs,
    ...(progress === undefined ? {} : { progress }),
    ...(result === undefined ? {} : { result }),
    ...(reason === undefined ? {} : { reason }),
  };
  if (!isEnded(state)) return { open: ledger.open.with(index, moved), ended: ledger.ended };
  return { open: ledger.open.toSpliced(index, 1), ended: [...ledger.ended, moved].slice(-keptEnded) };
}

type Told = { readonly progress?: Json; readonly result?: Json; readonly reason?: string };
type Acknowledgement = Told & { readonly status: (typeof statuses)[number] };
type Refusal = { readonly reason: CommandRefusalReason; readonly detail: string };

const maxNesting = 32;
const statuses = ["acknowledged", "in_progress", "succeeded", "failed", "rejected"] as const;

function parseAcknowledgement(payload: Uint8Array): Acknowledgement | Refusal {
  const read = readJsonPayload(payload, "The acknowledgement");
  if (read.kind === "refused") return { reason: read.reason, detail: read.detail };
  const { body } = read;
  if (!isJsonObject(body))
    return { reason: "not-an-object", detail: `An acknowledgement is an object like {"status":"succeeded"}.` };
  if (nestsDeeper(body, maxNesting))
    return { reason: "too-deep", detail: `The acknowledgement nests deeper than ${maxNesting} levels.` };
  const { progress, result, reason } = body;
  const status = statuses.find((known) => known === body.status);
  if (status === undefined) {
    const detail = `"status" is ${String(JSON.stringify(body.status)).slice(0, 60)} but needs one of ${statuses.join(", ")}.`;
    return { reason: "bad-status", detail };
  }
  if (reason !== undefined && typeof reason !== "string")
    return { reason: "bad-reason", detail: `"reason" needs a string.` };
  return {
    status,
    ...(progress === undefined ? {} : { progress }),
    ...(result === undefined ? {} : { result }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function tellsMore(command: Command, told: Told): boolean {
  return (["progress", "result", "reason"] as const).some((field) => {
    const value = told[field];
    return value !== undefined && !sameJson(value, command[field]);
  });
}

function hasExpired({ expiresAtMs }: Command, nowMs: number): boolean {
  return expiresAtMs !== null && expiresAtMs <= nowMs;
}

function refused(reason: CommandRefusalReason, detail: string): MoveOutcome {
  return { kind: "refused", reason, detail };
}

/** Whether two JSON values are equal, whatever the order of their keys. */
function sameJson(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((value, index) => sameJson(value, other[index]));
  if (!isJsonObject(one) || !isJsonObject(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && sameJson(one[key], other[key]))
  );
}
