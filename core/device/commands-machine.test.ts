import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { getShortestPaths, getSimplePaths } from "xstate/graph";
import {
  acknowledge,
  type CommandEvent,
  type CommandLedger,
  type CommandState,
  cancelCommand,
  commandDeadline,
  commandMachine,
  dueCommands,
  emptyLedger,
  evolveCommands,
  expireCommands,
  findCommand,
  isEnded,
  markSent,
  requestCommand,
  stepCommand,
} from "./commands.ts";
import { effectiveTransitions, nodesOf, transitionsTaken, unhandled } from "./machine-coverage.ts";
import type { CommandMoved, CommandRequested } from "./records.ts";

const types = [
  "sent",
  "acknowledged",
  "progressed",
  "succeeded",
  "failed",
  "rejected",
  "expired",
  "cancelled",
] as const;
const events = types.map((type): CommandEvent => ({ type }));
const policy = { maxOpenCommands: 100 };

describe("the command machine", () => {
  test("names every event in every open state, and none in an ended one", () => {
    const nodes = nodesOf(commandMachine.root).slice(1);
    expect(
      unhandled(
        nodes.filter(({ type }) => type !== "final"),
        types,
      ),
    ).toEqual([]);
    expect(nodes.filter(({ type }) => type === "final").map(({ key }) => key)).toEqual(
      nodes.map(({ key }) => key).filter((key) => isEnded(key as CommandState)),
    );
    expect([...new Set(commandMachine.events)].sort()).toEqual([...types].sort());
  });

  test("can reach every state and take every transition", () => {
    const paths = getShortestPaths(commandMachine, { events });
    const taken = paths.flatMap(({ state }) =>
      state.status === "done" ? [] : events.flatMap((event) => transitionsTaken(commandMachine, state, event)),
    );
    expect(new Set(paths.map(({ state }) => state.value)).size).toBe(8);
    expect([...effectiveTransitions(commandMachine)].filter((name) => !taken.includes(name))).toEqual([]);
  });

  test("is what a ledger does, along every simple path and one event further", () => {
    const paths = getSimplePaths(commandMachine, { events });
    expect(paths.length).toBeGreaterThan(25);
    for (const path of paths) {
      let ledger = request(emptyLedger, "c", 1_000, 0);
      for (const { event } of path.steps)
        if (event.type !== ("xstate.init" as string)) ledger = happen(ledger, "c", event.type, 1_000);
      expect(findCommand(ledger, "c")!.state).toBe(path.state.value);
      for (const type of types) {
        const next = findCommand(happen(ledger, "c", type, 1_000), "c")!.state;
        expect(next).toBe(stepCommand(path.state.value as CommandState, type));
      }
    }
  });
});

/** What the event means in a real ledger: expiry is time that has come, the device speaks by acknowledgements. */
function happen(ledger: CommandLedger, id: string, type: (typeof types)[number], nowMs: number): CommandLedger {
  const command = findCommand(ledger, id);
  if (command === undefined) return ledger;
  switch (type) {
    case "sent":
      return fold(ledger, markSent(command, nowMs));
    case "expired":
      return fold(ledger, ...expireCommands(ledger, nowMs).filter((record) => record.command === id));
    case "cancelled": {
      const outcome = cancelCommand(ledger, id, nowMs);
      return outcome.kind === "moved" ? fold(ledger, outcome.record) : ledger;
    }
    default: {
      const status = type === "progressed" ? "in_progress" : type;
      const payload = new TextEncoder().encode(JSON.stringify({ status, progress: nowMs }));
      const outcome = acknowledge(ledger, id, payload, nowMs);
      return outcome.kind === "moved" ? fold(ledger, outcome.record) : ledger;
    }
  }
}

function request(ledger: CommandLedger, command: string, nowMs: number, expiresInMs: number | null): CommandLedger {
  const outcome = requestCommand(ledger, { command, name: "reboot", parameters: null, expiresInMs }, nowMs, policy);
  return outcome.kind === "requested" ? fold(ledger, outcome.record) : ledger;
}

function fold(ledger: CommandLedger, ...records: (CommandRequested | CommandMoved | null)[]): CommandLedger {
  return records.reduce<CommandLedger>((now, record) => (record === null ? now : evolveCommands(now, record)), ledger);
}

type Happening = { afterMs: number; id: string } & (
  | { kind: "request"; expiresInMs: number | null }
  | { kind: (typeof types)[number] }
);

const ids = ["c1", "c2", "c3"];
const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    afterMs: fc.nat(20),
    id: fc.constantFrom(...ids),
    kind: fc.constant("request" as const),
    expiresInMs: fc.option(fc.nat(60)),
  }),
  {
    weight: 3,
    arbitrary: fc.record({ afterMs: fc.nat(20), id: fc.constantFrom(...ids), kind: fc.constantFrom(...types) }),
  },
);

/** One command without a machine: `end` is set once, the rest only counts before. */
type Expected = { expiresAtMs: number; sent: boolean; inHand: boolean; end: CommandState | null };

test("whatever happens to a device's commands, each ends once at most, and as a model without a machine says", () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60 }), (happenings) => {
      let ledger = emptyLedger;
      const expected = new Map<string, Expected>();
      let nowMs = 1_000;
      for (const what of happenings) {
        nowMs += what.afterMs;
        if (what.kind === "request") {
          ledger = request(ledger, what.id, nowMs, what.expiresInMs);
          const expiresAtMs = what.expiresInMs === null ? Number.POSITIVE_INFINITY : nowMs + what.expiresInMs;
          if (!expected.has(what.id)) expected.set(what.id, { expiresAtMs, sent: false, inHand: false, end: null });
        } else {
          ledger = happen(ledger, what.id, what.kind, nowMs);
          const command = expected.get(what.id);
          if (command !== undefined && command.end === null) follow(command, what.kind, nowMs);
        }
        check();
      }

      function check(): void {
        const openIds: string[] = [];
        for (const [id, { sent, inHand, end }] of expected) {
          const state = end ?? (inHand ? "acknowledged" : sent ? "sent" : "queued");
          expect(findCommand(ledger, id)!.state).toBe(state);
          if (end === null) openIds.push(id);
        }
        expect(ledger.open.map(({ id }) => id)).toEqual(openIds);
        const waiting = [...expected].filter(([, { inHand, end }]) => end === null && !inHand);
        const deadline = Math.min(...waiting.map(([, { expiresAtMs }]) => expiresAtMs));
        expect(commandDeadline(ledger)).toBe(Number.isFinite(deadline) ? deadline : null);
        const due = waiting.filter(([, { expiresAtMs }]) => expiresAtMs > nowMs).map(([id]) => id);
        expect(dueCommands(ledger, nowMs).map(({ id }) => id)).toEqual(due);
        expect(JSON.parse(JSON.stringify(ledger))).toEqual(ledger);
      }
    }),
    { numRuns: 500 },
  );
});

function follow(command: Expected, what: (typeof types)[number], nowMs: number): void {
  if (what === "sent") command.sent = true;
  else if (what === "acknowledged" || what === "progressed") command.inHand = true;
  else if (what !== "expired") command.end = what;
  else if (!command.inHand && command.expiresAtMs <= nowMs) command.end = "expired";
}
