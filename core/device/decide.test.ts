import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextDeadline } from "./deadlines.ts";
import { decide, takeTurn } from "./decide.ts";
import { evolve } from "./evolve.ts";
import type { TwinContext, TwinInput } from "./inputs.ts";
import { latestOf, metricNames } from "./metrics.ts";
import { defaultPolicy } from "./policy.ts";
import { statusOf } from "./presence.ts";
import { deltaOf } from "./shadow.ts";
import { newTwin, type Twin } from "./twin.ts";

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const at = (nowMs: number, more: Partial<TwinContext> = {}): TwinContext => ({
  nowMs,
  policyOf: () => defaultPolicy,
  node: { id: "run-1", startedAtMs: 0 },
  openRegistry: true,
  ...more,
});
const session = (id: string, connectedAtMs: number, node = "run-1") => ({ id, connectedAtMs, node });
const telemetry = (body: unknown, from: string | null = "s1"): TwinInput => ({
  kind: "telemetry",
  topic: "devices/pump-4/telemetry",
  payload: bytes(body),
  session: from,
});

/** Gives the twin the inputs one after another; each is [time, input]. */
function twinAfter(twin: Twin, ...inputs: [number, TwinInput][]): Twin {
  return inputs.reduce((state, [nowMs, input]) => takeTurn(state, input, at(nowMs)).twin, twin);
}

function onlineTwin(): Twin {
  return twinAfter(newTwin("pump-4"), [1_000, { kind: "connected", session: session("s1", 1_000) }]);
}

describe("telemetry", () => {
  test("becomes the latest value and running statistics of each metric", () => {
    const twin = twinAfter(
      onlineTwin(),
      [2_000, telemetry({ ts: 1_900, readings: { temperature: 20, open: true } })],
      [3_000, telemetry({ ts: 2_900, readings: { temperature: 22 } })],
    );
    expect(latestOf(twin.metrics, "temperature")).toMatchObject({
      value: 22,
      tsMs: 2_900,
      count: 2,
      mean: 21,
      min: 20,
      max: 22,
    });
    expect(latestOf(twin.metrics, "open")).toMatchObject({ value: true, count: 0 });
    expect(twin.lastSeenMs).toBe(3_000);
  });

  test("that comes late counts into the statistics but is not the latest", () => {
    const twin = twinAfter(
      onlineTwin(),
      [2_000, telemetry({ ts: 1_900, readings: { temperature: 20 } })],
      [3_000, telemetry({ ts: 1_000, readings: { temperature: 10 } })],
    );
    expect(latestOf(twin.metrics, "temperature")).toMatchObject({ value: 20, tsMs: 1_900, count: 2, min: 10 });
  });

  test("that comes twice is counted once and moves only last seen", () => {
    const message = telemetry({ seq: 7, boot: "a", readings: { temperature: 20 } });
    const once = twinAfter(onlineTwin(), [2_000, message]);
    const again = takeTurn(once, message, at(5_000));
    expect(again.reply).toEqual({ kind: "counted", accepted: 0, duplicates: 1, refused: 0 });
    expect(again.twin.metrics).toEqual(once.metrics);
    expect(again.twin.lastSeenMs).toBe(5_000);
  });

  test("of a device that booted again at sequence 1 is new", () => {
    const first = telemetry({ seq: 1, boot: "a", readings: { temperature: 20 } });
    const second = telemetry({ seq: 1, boot: "b", readings: { temperature: 21 } });
    const twin = twinAfter(onlineTwin(), [2_000, first], [3_000, second]);
    expect(latestOf(twin.metrics, "temperature")?.count).toBe(2);
  });

  test("keeps the good messages of an array and dead-letters the bad ones with their reason", () => {
    const outcome = takeTurn(
      onlineTwin(),
      telemetry([{ readings: { a: 1 } }, { readings: { a: null } }, 7, { readings: { b: "on" } }]),
      at(2_000),
    );
    expect(outcome.reply).toEqual({ kind: "counted", accepted: 2, duplicates: 0, refused: 2 });
    const letters = outcome.records.filter((record) => record.kind === "deadLettered");
    expect(letters.map(({ reason, payload }) => [reason, payload])).toEqual([
      ["bad-reading-type", '{"readings":{"a":null}}'],
      ["not-an-object", "7"],
    ]);
  });

  test.each([
    ["not-utf8", new Uint8Array([0x7b, 0xff, 0x7d])],
    ["malformed-json", bytes('{"readings":')],
    ["not-an-object", bytes("[]")],
    ["bad-timestamp", bytes({ ts: "yesterday", readings: { a: 1 } })],
    ["clock-ahead", bytes({ ts: 2_000 + 25 * 3_600_000, readings: { a: 1 } })],
    ["bad-identity", bytes({ seq: -1, readings: { a: 1 } })],
    ["missing-readings", bytes({ ts: 1 })],
    ["missing-readings", bytes({ readings: {} })],
    ["bad-metric-name", bytes({ readings: { "": 1 } })],
    ["bad-metric-name", bytes('{"readings":{"__proto__":1}}')],
    ["bad-reading-type", bytes('{"readings":{"a":1e999}}')],
    ["bad-tags", bytes({ readings: { a: 1 }, tags: { k: 1 } })],
    ["unknown-field", bytes({ readings: { a: 1 }, temperature: 3 })],
  ])("is dead-lettered whole as %s", (reason, payload) => {
    const input: TwinInput = { kind: "telemetry", topic: "devices/pump-4/telemetry", payload, session: "s1" };
    const outcome = takeTurn(onlineTwin(), input, at(2_000));
    expect(outcome.reply).toMatchObject({ refused: 1, accepted: 0 });
    expect(outcome.records).toMatchObject([{ kind: "deadLettered", reason, topic: "devices/pump-4/telemetry" }]);
  });

  test.each([
    ["alone", (deep: string) => deep],
    ["in an array", (deep: string) => `[${deep},{"readings":{"a":1}}]`],
    ["as a time", (deep: string) => `{"ts":${deep},"readings":{"a":1}}`],
    ["as a boot", (deep: string) => `{"boot":${deep},"readings":{"a":1}}`],
    ["as tags", (deep: string) => `{"tags":${deep},"readings":{"a":1}}`],
  ])("nested without end (%s) is a dead letter, and can be written down", (_, place) => {
    const deep = `${'{"a":['.repeat(20_000)}${"]}".repeat(20_000)}`;
    const { records } = takeTurn(onlineTwin(), telemetry(place(deep)), at(2_000));
    expect(records[0]).toMatchObject({ kind: "deadLettered" });
    expect(JSON.stringify(records)).toContain("deadLettered");
  });

  test("may name a metric after something that every object has", () => {
    const twin = twinAfter(onlineTwin(), [2_000, telemetry({ readings: { constructor: 1, toString: 2 } })]);
    expect(latestOf(twin.metrics, "constructor")).toMatchObject({ value: 1, count: 1 });
  });

  test("with ever new metric names does not grow the twin without bound", () => {
    let twin = onlineTwin();
    for (let part = 0; part < 4; part += 1) {
      const readings = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`m${part}_${index}`, index]));
      twin = twinAfter(twin, [2_000 + part, telemetry({ readings })]);
    }
    expect(metricNames(twin.metrics)).toHaveLength(400);
  });
});

describe("presence", () => {
  test("a silent device that speaks again comes back by its first message", () => {
    const silent = twinAfter(onlineTwin(), [61_000, { kind: "deadline" }]);
    expect(statusOf(silent.presence)).toBe("offline");
    expect(statusOf(twinAfter(silent, [61_001, telemetry({ readings: { a: 1 } })]).presence)).toBe("online");
  });

  test("a message in the very millisecond of the time-out leaves a device that still goes offline later", () => {
    const spoke = twinAfter(onlineTwin(), [61_000, telemetry({ readings: { a: 1 } })]);
    const due = nextDeadline(spoke, at(61_000));
    expect(due).toBe(121_000);
    expect(statusOf(twinAfter(spoke, [due!, { kind: "deadline" }]).presence)).toBe("offline");
  });

  test("a device that was never heard of is watched from its first message on", () => {
    const twin = twinAfter(newTwin("pump-4"), [5_000, telemetry({ readings: { a: 1 } }, null)]);
    expect(nextDeadline(twin, at(5_000))).toBe(65_000);
  });

  test("a changed time-out holds at once", () => {
    const shorter = at(2_000, { policyOf: () => ({ ...defaultPolicy, silenceMs: 5_000 }) });
    expect(nextDeadline(onlineTwin(), shorter)).toBe(6_000);
  });

  test("a device of a process that died is judged after the restart's grace, and not announced when it comes back", () => {
    const restarted = { node: { id: "run-2", startedAtMs: 500_000 } };
    const due = nextDeadline(onlineTwin(), at(500_000, restarted));
    expect(due).toBe(500_000 + defaultPolicy.restartGraceMs);
    const back: TwinInput = { kind: "connected", session: session("s2", 501_000, "run-2") };
    const returned = takeTurn(onlineTwin(), back, at(501_000, restarted));
    expect(returned.records.filter((record) => record.kind === "presence" && record.announced)).toEqual([]);
    const gone = takeTurn(onlineTwin(), { kind: "deadline" }, at(due!, restarted));
    expect(statusOf(gone.twin.presence)).toBe("offline");
  });
});

describe("commands", () => {
  const request: TwinInput = {
    kind: "commandRequest",
    command: "c1",
    name: "reboot",
    parameters: {},
    expiresInMs: 60_000,
  };
  const listening: TwinInput = { kind: "listening", session: "s1", to: { channel: "commands" } };

  test("go at once to a device that listens", () => {
    const outcome = takeTurn(twinAfter(onlineTwin(), [1_100, listening]), request, at(2_000));
    expect(outcome.sends).toMatchObject([{ kind: "command", command: "c1", name: "reboot" }]);
    expect(outcome.reply).toEqual({ kind: "command", command: "c1", state: "sent" });
  });

  test("wait for a device that is away, and go in order when it listens again", () => {
    const away = twinAfter(onlineTwin(), [
      1_500,
      { kind: "disconnected", session: "s1", graceful: true, reason: "bye" },
    ]);
    const second: TwinInput = { ...request, command: "c2", name: "config" };
    const waiting = twinAfter(away, [2_000, request], [2_001, second]);
    const back = twinAfter(waiting, [3_000, { kind: "connected", session: session("s2", 3_000) }]);
    const outcome = takeTurn(back, { ...listening, session: "s2" }, at(3_001));
    expect(outcome.sends.map((send) => send.kind === "command" && send.command)).toEqual(["c1", "c2"]);
  });

  test("that expired while the device was away are not sent", () => {
    const waiting = twinAfter(onlineTwin(), [2_000, request]);
    const outcome = takeTurn(waiting, listening, at(62_000));
    expect(outcome.sends).toEqual([]);
    expect(outcome.twin.commands.ended).toMatchObject([{ id: "c1", state: "expired" }]);
  });

  test("an acknowledgement that cannot be read becomes a dead letter", () => {
    const sent = twinAfter(onlineTwin(), [1_100, listening], [2_000, request]);
    const topic = "devices/pump-4/commands/c1/ack";
    const input: TwinInput = { kind: "commandAck", command: "c1", topic, payload: bytes("{"), session: "s1" };
    expect(takeTurn(sent, input, at(3_000)).records).toMatchObject([
      { kind: "seen" },
      { kind: "deadLettered", reason: "malformed-json" },
    ]);
  });

  test("an acknowledgement nested without end becomes a dead letter", () => {
    const sent = twinAfter(onlineTwin(), [1_100, listening], [2_000, request]);
    const payload = bytes(`{"status":"succeeded","result":${"[".repeat(50_000)}${"]".repeat(50_000)}}`);
    const topic = "devices/pump-4/commands/c1/ack";
    const { records } = takeTurn(sent, { kind: "commandAck", command: "c1", topic, payload, session: "s1" }, at(3_000));
    expect(records.at(-1)).toMatchObject({ kind: "deadLettered", reason: "too-deep" });
  });

  test("of a deleted device are cancelled", () => {
    const twin = twinAfter(onlineTwin(), [2_000, request]);
    const { records, twin: gone } = takeTurn(twin, { kind: "deregister" }, at(3_000));
    expect(records.map(({ kind }) => kind)).toEqual(["commandMoved", "deregistered"]);
    expect(gone.registration).toBeNull();
  });
});

describe("the registry", () => {
  test("takes an unknown device in at its first message where it is open", () => {
    const { records } = takeTurn(newTwin("pump-4"), telemetry({ readings: { a: 1 } }, null), at(1));
    expect(records[0]).toMatchObject({ kind: "registered", registration: { type: "default" } });
  });

  test("does not take a deleted device in again by its last will", () => {
    const deleted = twinAfter(onlineTwin(), [2_000, { kind: "deregister" }]);
    const { records, reply } = decide(
      deleted,
      { kind: "status", session: "s1", status: "offline", will: true },
      at(3_000),
    );
    expect([records, reply]).toEqual([[], { kind: "unknownDevice" }]);
  });

  test("refuses an unknown device where it is not", () => {
    const outcome = takeTurn(
      newTwin("pump-4"),
      telemetry({ readings: { a: 1 } }, null),
      at(1, { openRegistry: false }),
    );
    expect(outcome).toMatchObject({ reply: { kind: "unknownDevice" }, records: [] });
  });

  test("leaves no record of a change that changes nothing", () => {
    const input: TwinInput = { kind: "register", mode: "upsert", patch: { region: "eu", tags: { floor: "3" } } };
    const once = twinAfter(newTwin("pump-4"), [1, input]);
    expect(takeTurn(once, input, at(2)).records).toEqual([]);
  });
});

describe("whatever happens to a device", () => {
  test("its records, folded, are its twin, and an online one has a deadline", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(30_000), anyInput()), { maxLength: 60 }), (steps) => {
        let twin = newTwin("pump-4");
        let nowMs = 1_000;
        for (const [passed, input] of steps) {
          nowMs += passed;
          const context = at(nowMs);
          const outcome = takeTurn(twin, input, context);
          expect(decide(twin, input, context).records.reduce(evolve, twin)).toEqual(outcome.twin);
          expect(JSON.parse(JSON.stringify(outcome.records)).reduce(evolve, twin)).toEqual(outcome.twin);
          expect(outcome.twin.revision).toBe(twin.revision + outcome.records.length);
          twin = outcome.twin;
          if (statusOf(twin.presence) === "online") expect(nextDeadline(twin, context)).not.toBeNull();
          for (const shadow of Object.values(twin.shadows)) {
            const missing = deltaOf(shadow);
            if (missing !== null) expect(Object.keys(missing).length).toBeGreaterThan(0);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

function anyInput(): fc.Arbitrary<TwinInput> {
  const id = fc.constantFrom("s1", "s2", "s3");
  const device = fc.option(id, { nil: null });
  const command = fc.constantFrom("c1", "c2", "c3");
  const shadowBody = fc.constantFrom(
    { state: { desired: { on: true } } },
    { state: { reported: { on: true, level: 3 } } },
    { state: { desired: { on: null, level: 4 } } },
    { state: null },
    { state: 3 },
  );
  return fc.oneof(
    fc.tuple(fc.nat(5), device).map(([seq, from]) => telemetry({ seq, readings: { a: seq } }, from)),
    fc.record({ kind: fc.constant("heartbeat" as const), session: device }),
    fc.nat(60_000).chain((ms) => id.map((name) => ({ kind: "connected" as const, session: session(name, ms) }))),
    fc.record({
      kind: fc.constant("disconnected" as const),
      session: id,
      graceful: fc.boolean(),
      reason: fc.constant("socket closed"),
    }),
    fc.record({
      kind: fc.constant("status" as const),
      session: device,
      status: fc.constantFrom("online" as const, "offline" as const),
      will: fc.boolean(),
    }),
    id.map((from): TwinInput => ({ kind: "listening", session: from, to: { channel: "commands" } })),
    fc.tuple(shadowBody, fc.constantFrom("device" as const, "app" as const)).map(
      ([body, by]): TwinInput => ({
        kind: "shadow",
        shadow: "",
        request: { kind: "update", payload: bytes(body) },
        by,
        session: by === "device" ? "s1" : null,
      }),
    ),
    fc.constant<TwinInput>({
      kind: "shadow",
      shadow: "",
      request: { kind: "delete", payload: bytes("{}") },
      by: "app",
      session: null,
    }),
    fc.tuple(command, fc.option(fc.nat(20_000), { nil: null })).map(
      ([name, expiresInMs]): TwinInput => ({
        kind: "commandRequest",
        command: name,
        name: "reboot",
        parameters: {},
        expiresInMs,
      }),
    ),
    command.map((name): TwinInput => ({ kind: "commandCancel", command: name })),
    fc.tuple(command, fc.constantFrom("acknowledged", "in_progress", "succeeded", "failed", "odd")).map(
      ([name, status]): TwinInput => ({
        kind: "commandAck",
        command: name,
        topic: `devices/pump-4/commands/${name}/ack`,
        payload: bytes({ status }),
        session: "s1",
      }),
    ),
    fc.constant<TwinInput>({ kind: "register", mode: "upsert", patch: { region: "eu" } }),
    fc.constant<TwinInput>({ kind: "deregister" }),
    fc.constant<TwinInput>({ kind: "deadline" }),
  );
}
