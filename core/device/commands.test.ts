import { describe, expect, test } from "vitest";
import type { Json } from "../json.ts";
import {
  acknowledge,
  type Command,
  type CommandLedger,
  type CommandRequest,
  cancelCommand,
  commandDeadline,
  dueCommands,
  emptyLedger,
  evolveCommands,
  expireCommands,
  findCommand,
  keptEnded,
  markSent,
  requestCommand,
} from "./commands.ts";
import type { CommandMoved, CommandRequested } from "./records.ts";

const policy = { maxOpenCommands: 3 };
const bytes = (body: Json) => new TextEncoder().encode(JSON.stringify(body));

function aRequest(request: Partial<CommandRequest> = {}): CommandRequest {
  return { command: "c1", name: "reboot", parameters: { delay: 5 }, expiresInMs: 60_000, ...request };
}

function fold(ledger: CommandLedger, ...records: (CommandRequested | CommandMoved | null)[]): CommandLedger {
  return records.reduce<CommandLedger>((now, record) => (record === null ? now : evolveCommands(now, record)), ledger);
}

function withRequest(ledger: CommandLedger, request: Partial<CommandRequest> = {}, nowMs = 1_000): CommandLedger {
  const outcome = requestCommand(ledger, aRequest(request), nowMs, policy);
  if (outcome.kind !== "requested") throw new Error(`not requested but ${outcome.kind}`);
  return fold(ledger, outcome.record);
}

function withSent(ledger: CommandLedger, id = "c1", nowMs = 2_000): CommandLedger {
  return fold(ledger, markSent(get(ledger, id), nowMs));
}

function withWord(ledger: CommandLedger, body: Json, nowMs = 3_000): CommandLedger {
  const outcome = acknowledge(ledger, "c1", bytes(body), nowMs);
  if (outcome.kind !== "moved") throw new Error(`not moved but ${JSON.stringify(outcome)}`);
  return fold(ledger, outcome.record);
}

function get(ledger: CommandLedger, id = "c1"): Command {
  const command = findCommand(ledger, id);
  if (command === undefined) throw new Error(`no command ${id}`);
  return command;
}

describe("a request", () => {
  test("is queued with its expiry", () => {
    expect(get(withRequest(emptyLedger))).toEqual({
      id: "c1",
      name: "reboot",
      parameters: { delay: 5 },
      state: "queued",
      createdAtMs: 1_000,
      updatedAtMs: 1_000,
      expiresAtMs: 61_000,
    });
  });

  test("made twice with the same content is one command, even after it has ended", () => {
    const once = withRequest(emptyLedger, { parameters: { a: [1, { b: null }], c: "x" } });
    const again = aRequest({ parameters: { c: "x", a: [1, { b: null }] } });
    expect(requestCommand(once, again, 5_000, policy)).toEqual({ kind: "repeated", command: get(once) });
    const ended = withWord(once, { status: "succeeded" });
    expect(requestCommand(ended, again, 5_000, policy)).toMatchObject({
      kind: "repeated",
      command: { state: "succeeded" },
    });
  });

  test("under a taken id with another content is a conflict", () => {
    const ledger = withRequest(emptyLedger);
    const others: Partial<CommandRequest>[] = [
      { name: "config" },
      { parameters: { delay: 6 } },
      { parameters: { delay: 5, more: null } },
      { parameters: [5] },
      { parameters: null },
      { expiresInMs: null },
      { expiresInMs: 1 },
    ];
    for (const other of others)
      expect(requestCommand(ledger, aRequest(other), 1_000, policy)).toMatchObject({ kind: "conflict" });
  });

  test("beyond the most open commands is refused until one has ended", () => {
    const full = ["c1", "c2", "c3"].reduce((ledger, command) => withRequest(ledger, { command }), emptyLedger);
    const outcome = requestCommand(full, aRequest({ command: "c4" }), 1_000, policy);
    expect(outcome).toMatchObject({ kind: "conflict", detail: expect.stringContaining("3 open commands") });
    expect(withRequest(withWord(full, { status: "failed" }), { command: "c4" }).open).toHaveLength(3);
  });
});

describe("sending", () => {
  test("a device that comes back gets what is due in the order of the requests", () => {
    const ledger = ["c1", "c2", "c3"].reduce((all, command) => withRequest(all, { command }), emptyLedger);
    expect(dueCommands(withSent(ledger, "c2"), 5_000).map(({ id }) => id)).toEqual(["c1", "c2", "c3"]);
  });

  test("what the device has acknowledged is not sent again", () => {
    const ledger = withWord(withSent(withRequest(emptyLedger)), { status: "acknowledged" });
    expect(dueCommands(ledger, 5_000)).toEqual([]);
  });

  test("a sent command counts as sent once", () => {
    const ledger = withSent(withRequest(emptyLedger));
    expect(get(ledger)).toMatchObject({ state: "sent", updatedAtMs: 2_000 });
    expect(markSent(get(ledger), 9_000)).toBeNull();
  });
});

describe("expiry", () => {
  test("ends a command that the device has not acknowledged, at its very millisecond", () => {
    for (const ledger of [withRequest(emptyLedger), withSent(withRequest(emptyLedger))]) {
      expect(commandDeadline(ledger)).toBe(61_000);
      expect([dueCommands(ledger, 60_999).length, dueCommands(ledger, 61_000).length]).toEqual([1, 0]);
      expect(expireCommands(ledger, 60_999)).toEqual([]);
      const after = fold(ledger, ...expireCommands(ledger, 61_000));
      expect(get(after)).toMatchObject({ state: "expired", updatedAtMs: 61_000 });
      expect([commandDeadline(after), expireCommands(after, 99_000)]).toEqual([null, []]);
    }
  });

  test("does not take an acknowledged command out of the device's hands", () => {
    const ledger = withWord(withSent(withRequest(emptyLedger)), { status: "acknowledged" });
    expect([commandDeadline(ledger), expireCommands(ledger, 99_000)]).toEqual([null, []]);
  });

  test("never comes for a command without one, and first for the earliest", () => {
    expect(commandDeadline(withRequest(emptyLedger, { expiresInMs: null }))).toBeNull();
    const ledger = withRequest(withRequest(emptyLedger), { command: "c2", expiresInMs: 5_000 });
    expect(commandDeadline(ledger)).toBe(6_000);
    expect(expireCommands(ledger, 6_000).map(({ command }) => command)).toEqual(["c2"]);
  });
});

describe("the device's word", () => {
  test("moves the command with progress to its result", () => {
    const begun = withWord(withSent(withRequest(emptyLedger)), { status: "acknowledged" });
    const halfway = withWord(begun, { status: "in_progress", progress: { percent: 50 } }, 4_000);
    expect(get(halfway)).toMatchObject({ state: "acknowledged", progress: { percent: 50 }, updatedAtMs: 4_000 });
    const done = withWord(halfway, { status: "succeeded", result: null, reason: "ok" }, 5_000);
    expect(get(done)).toMatchObject({ state: "succeeded", progress: { percent: 50 }, result: null, reason: "ok" });
    expect(done.open).toEqual([]);
  });

  test("may be a result at once, or come without our having noted the send", () => {
    for (const status of ["succeeded", "failed", "rejected"]) {
      expect(get(withWord(withRequest(emptyLedger), { status })).state).toBe(status);
      expect(get(withWord(withSent(withRequest(emptyLedger)), { status })).state).toBe(status);
    }
  });

  test("said again changes nothing", () => {
    const begun = withWord(withSent(withRequest(emptyLedger)), { status: "in_progress", progress: 1 });
    for (const body of [{ status: "acknowledged" }, { status: "in_progress", progress: 1 }])
      expect(acknowledge(begun, "c1", bytes(body), 4_000)).toMatchObject({ kind: "unchanged" });
    const ended = withWord(begun, { status: "failed", reason: "stuck" });
    for (const body of [{ status: "failed", reason: "stuck" }, { status: "acknowledged" }, { status: "in_progress" }])
      expect(acknowledge(ended, "c1", bytes(body), 4_000)).toMatchObject({ kind: "unchanged" });
  });

  test("comes too late for a command that has ended otherwise", () => {
    const ledger = withRequest(emptyLedger);
    const expired = fold(ledger, ...expireCommands(ledger, 61_000));
    const failed = withWord(ledger, { status: "failed" });
    for (const [ended, state] of [
      [expired, "expired"],
      [failed, "failed"],
    ] as const)
      expect(acknowledge(ended, "c1", bytes({ status: "succeeded" }), 62_000)).toEqual({
        kind: "refused",
        reason: "command-ended",
        detail: `The command "c1" is ${state} already and cannot become succeeded.`,
      });
    for (const status of ["acknowledged", "in_progress"])
      expect(acknowledge(expired, "c1", bytes({ status }), 62_000)).toMatchObject({
        kind: "refused",
        reason: "command-ended",
      });
  });

  test("may hold fields of the device's own", () => {
    expect(get(withWord(withRequest(emptyLedger), { status: "succeeded", uptime: 5 })).state).toBe("succeeded");
  });

  test.each([
    ["not-utf8", new Uint8Array([0xff, 0xfe])],
    ["malformed-json", new TextEncoder().encode("{status")],
    ["malformed-json", new Uint8Array()],
    ["not-an-object", bytes(["succeeded"])],
    ["not-an-object", bytes(null)],
    ["bad-status", bytes({})],
    ["bad-status", bytes({ status: "queued" })],
    ["bad-status", bytes({ status: "expired" })],
    ["bad-status", bytes({ status: "__proto__" })],
    ["bad-reason", bytes({ status: "failed", reason: 5 })],
  ])("is refused as %s when it cannot be read", (reason, payload) => {
    const ledger = withSent(withRequest(emptyLedger));
    expect(acknowledge(ledger, "c1", payload, 3_000)).toMatchObject({ kind: "refused", reason });
  });

  test("on a command that the device does not have is refused", () => {
    const outcome = acknowledge(emptyLedger, "c9", bytes({ status: "succeeded" }), 3_000);
    expect(outcome).toMatchObject({ kind: "refused", reason: "unknown-command" });
  });
});

describe("a cancel", () => {
  test("ends any open command once, with its reason", () => {
    const queued = withRequest(emptyLedger);
    const sent = withSent(queued);
    for (const ledger of [queued, sent, withWord(sent, { status: "acknowledged" })]) {
      const outcome = cancelCommand(ledger, "c1", 4_000, "not needed");
      if (outcome.kind !== "moved") throw new Error(outcome.kind);
      expect(outcome.command).toBe(ledger.open[0]);
      const after = fold(ledger, outcome.record);
      expect(get(after)).toMatchObject({ state: "cancelled", reason: "not needed" });
      expect(cancelCommand(after, "c1", 5_000)).toMatchObject({ kind: "unchanged" });
    }
  });

  test("of an ended or unknown command is refused", () => {
    const ended = withWord(withRequest(emptyLedger), { status: "succeeded" });
    expect(cancelCommand(ended, "c1", 4_000)).toMatchObject({ kind: "refused", reason: "command-ended" });
    expect(cancelCommand(ended, "c2", 4_000)).toMatchObject({ kind: "refused", reason: "unknown-command" });
  });
});

test("a twin remembers the newest ended commands only", () => {
  let ledger = emptyLedger;
  for (let index = 0; index < keptEnded + 5; index += 1) {
    ledger = withRequest(ledger, { command: `c${index}` });
    const cancelled = cancelCommand(ledger, `c${index}`, 2_000);
    if (cancelled.kind === "moved") ledger = fold(ledger, cancelled.record);
  }
  expect(ledger.ended.map(({ id }) => id)).toEqual(Array.from({ length: keptEnded }, (_, index) => `c${index + 5}`));
});
