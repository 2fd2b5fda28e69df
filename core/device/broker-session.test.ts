import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { brokerSession, overtakenMs, sessionOfBrokerMessage, throughBroker } from "./broker-session.ts";
import { takeTurn } from "./decide.ts";
import type { TwinContext, TwinInput } from "./inputs.ts";
import { defaultPolicy } from "./policy.ts";
import { isConnected, liveSession, statusOf } from "./presence.ts";
import { newTwin, type Twin } from "./twin.ts";

const at = (nowMs: number): TwinContext => ({
  nowMs,
  policyOf: () => defaultPolicy,
  node: null,
  openRegistry: true,
});
const session = (id: string, connectedAtMs: number) => ({ id, connectedAtMs, node: "emqx@1" });
const connected = (id: string, atMs: number): TwinInput => ({ kind: "connected", session: session(id, atMs) });
const disconnected = (id: string, graceful = false): TwinInput => ({
  kind: "disconnected",
  session: id,
  graceful,
  reason: graceful ? "client disconnected" : "socket closed",
});
const heartbeat: TwinInput = { kind: "heartbeat", session: brokerSession };
const says = (status: "online" | "offline"): TwinInput => ({
  kind: "status",
  session: brokerSession,
  status,
  will: false,
});
const shadow = (kind: "get" | "update", body: string): TwinInput => ({
  kind: "shadow",
  shadow: "",
  request: { kind, payload: new TextEncoder().encode(body) },
  by: "device",
  session: brokerSession,
});

/** The twin after inputs, taken as a host takes them; each is [time, input]. */
function twinAfter(...inputs: [number, TwinInput][]): Twin {
  return inputs.reduce((twin, [nowMs, input]) => turn(twin, input, nowMs), newTwin("pump-4"));
}

function turn(twin: Twin, input: TwinInput, nowMs: number): Twin {
  return takeTurn(twin, throughBroker(twin, input, nowMs), at(nowMs)).twin;
}

describe("a message through a broker", () => {
  test("speaks for the live session", () => {
    const twin = twinAfter([1_000, connected("a", 1_000)]);
    expect(sessionOfBrokerMessage(twin, 9_000)).toBe("a");
    expect(throughBroker(twin, heartbeat, 9_000)).toEqual({ kind: "heartbeat", session: "a" });
  });

  test("brings a device back that went silent", () => {
    const silent = twinAfter([1_000, connected("a", 1_000)], [61_001, { kind: "deadline" }]);
    expect(statusOf(silent.presence)).toBe("offline");
    expect(statusOf(turn(silent, heartbeat, 70_000).presence)).toBe("online");
  });

  for (const graceful of [false, true]) {
    test(`that its own ${graceful ? "goodbye" : "disconnect"} has overtaken brings nobody back`, () => {
      const gone = twinAfter([1_000, connected("a", 1_000)], [5_000, disconnected("a", graceful)]);
      const heard = turn(gone, heartbeat, 5_000 + overtakenMs - 1);
      expect(heard.presence.phase).toBe(graceful ? "offline" : "suspect");
      expect(heard.lastSeenMs).toBe(5_000 + overtakenMs - 1);
    });

    test(`well after the ${graceful ? "goodbye" : "disconnect"} proves that the device is there`, () => {
      const gone = twinAfter([1_000, connected("a", 1_000)], [5_000, disconnected("a", graceful)]);
      expect(turn(gone, heartbeat, 5_000 + overtakenMs).presence.phase).toBe("online");
    });
  }

  test("of a device that nobody said was connected is its first sign of life", () => {
    const twin = twinAfter([1_000, heartbeat]);
    expect(twin.presence).toMatchObject({ phase: "online", session: null });
    expect(sessionOfBrokerMessage(twin, 2_000)).toBeNull();
  });

  test("that came another way is left as it is", () => {
    const twin = twinAfter([1_000, connected("a", 1_000)]);
    for (const input of [
      connected("b", 2_000),
      { kind: "heartbeat", session: null } as const,
      { kind: "read" } as const,
    ])
      expect(throughBroker(twin, input, 2_000)).toBe(input);
  });
});

describe('the word "offline" through a broker', () => {
  test("may be a last will: it makes suspect, and a device that comes back in time was never away", () => {
    const suspect = twinAfter([1_000, connected("a", 1_000)], [9_000, says("offline")]);
    expect(suspect.presence.phase).toBe("suspect");
    const back = turn(turn(suspect, disconnected("a"), 9_005), connected("b", 10_000), 10_000);
    expect(back.presence).toMatchObject({ phase: "online", sinceMs: 1_000, session: { id: "b" } });
  });

  test("is announced after the grace time", () => {
    const suspect = twinAfter([1_000, connected("a", 1_000)], [9_000, says("offline")], [12_000, { kind: "deadline" }]);
    expect(suspect.presence).toMatchObject({ phase: "offline", sinceMs: 9_000 });
  });

  test("just after a new connection is the old one's will", () => {
    const twin = twinAfter([1_000, connected("a", 1_000)], [9_000, connected("b", 9_000)]);
    expect(turn(twin, says("offline"), 9_200).presence).toEqual(twin.presence);
  });

  test("after the device's goodbye changes nothing", () => {
    const gone = twinAfter([1_000, connected("a", 1_000)], [5_000, disconnected("a", true)]);
    expect(turn(gone, says("offline"), 5_010).presence).toEqual(gone.presence);
  });
});

describe("a shadow request through a broker", () => {
  const silent = twinAfter([1_000, connected("a", 1_000)], [61_001, { kind: "deadline" }]);

  test.each([
    ["get", "{}"],
    ["update", '{"state":{"desired":{"fan":1}}}'],
  ] as const)("that may be an app's is no sign of life: %s %s", (kind, body) => {
    const after = turn(silent, shadow(kind, body), 90_000);
    expect([statusOf(after.presence), after.lastSeenMs]).toEqual(["offline", silent.lastSeenMs]);
  });

  test("that reports is the device's own", () => {
    const after = turn(silent, shadow("update", '{"state":{"reported":{"fan":1}}}'), 90_000);
    expect([statusOf(after.presence), after.lastSeenMs]).toEqual(["online", 90_000]);
    expect(after.shadows[""]).toMatchObject({ kind: "live" });
  });
});

/** What a device does, and how long the word of it takes to arrive. */
type Step = {
  readonly afterMs: number;
  readonly kind: "connect" | "break" | "leave" | "message";
  readonly delayMs: number;
};
const step: fc.Arbitrary<Step> = fc.record({
  afterMs: fc.integer({ min: 1, max: 8_000 }),
  kind: fc.constantFrom("connect", "break", "leave", "message", "message"),
  delayMs: fc.nat(overtakenMs / 2),
});

test("however messages and the broker's word on connections overtake each other, the twin ends at the truth", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let nowMs = 100_000;
      let live: string | null = null;
      const arrivals: { atMs: number; input: TwinInput }[] = [];
      for (const { afterMs, kind, delayMs } of steps) {
        nowMs += afterMs;
        const arrive = (input: TwinInput) => arrivals.push({ atMs: nowMs + delayMs, input });
        if (kind === "connect") {
          // A new connection of the same client id ends the older one: "takenover", which gateways leave out.
          live = `c@${nowMs}`;
          arrive(connected(live, nowMs));
        } else if (live !== null) {
          if (kind === "message") arrive(heartbeat);
          else {
            arrive(disconnected(live, kind === "leave"));
            live = null;
          }
        }
      }
      arrivals.sort((a, b) => a.atMs - b.atMs);
      let twin = newTwin("pump-4");
      for (const { atMs, input } of arrivals) {
        twin = turn(twin, { kind: "deadline" }, atMs);
        twin = turn(twin, input, atMs);
      }
      // The presence of the newest connection, once all has arrived; a disconnect that overtook its own connect is
      // what silence and the comparison with the broker are for.
      const overtook = arrivals.some(
        ({ input }, index) =>
          input.kind === "disconnected" &&
          arrivals
            .slice(index)
            .some((later) => later.input.kind === "connected" && later.input.session.id === input.session),
      );
      if (overtook || arrivals.length === 0) return;
      expect(liveSession(twin.presence)?.id ?? null).toBe(live);
      expect(isConnected(twin.presence)).toBe(live !== null);
      if (live !== null) expect(statusOf(twin.presence)).toBe("online");
      else expect(twin.presence.phase).not.toBe("online");
    }),
    { numRuns: 500 },
  );
});
