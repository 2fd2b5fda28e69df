import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileRules } from "../quality/compiled-rules.ts";
import { parseQualityRules, rulesWith } from "../quality/rules.ts";
import { takeTurn } from "./decide.ts";
import { evolve } from "./evolve.ts";
import type { TwinContext, TwinInput } from "./inputs.ts";
import { latestOf } from "./metrics.ts";
import { defaultPolicy } from "./policy.ts";
import type { TwinRecord } from "./records.ts";
import { newTwin, type Twin } from "./twin.ts";

const nowMs = 1_800_000_000_000;
const at = (ms: number, more: Partial<TwinContext> = {}): TwinContext => ({
  nowMs: ms,
  policyOf: () => defaultPolicy,
  node: { id: "run-1", startedAtMs: 0 },
  openRegistry: true,
  ...more,
});
const telemetry = (body: unknown): TwinInput => ({
  kind: "telemetry",
  topic: "devices/pump-4/telemetry",
  payload: new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body)),
  session: "s1",
});
const pump = (patch: { type?: string; region?: string } = {}): Twin => {
  const connected: TwinInput = { kind: "connected", session: { id: "s1", connectedAtMs: 1, node: "run-1" } };
  const twin = takeTurn(newTwin("pump-4"), connected, at(nowMs)).twin;
  return takeTurn(twin, { kind: "register", mode: "update", patch }, at(nowMs)).twin;
};
const rulesOf = (given: object) => {
  const parsed = parseQualityRules(given);
  if (parsed.kind === "refused") throw new Error(parsed.problems.join(" "));
  const rules = compileRules(rulesWith(parsed.rules));
  return { rulesOf: () => rules };
};
const letters = (records: readonly TwinRecord[]) => records.filter((record) => record.kind === "deadLettered");

describe("a telemetry turn", () => {
  test("keeps a message in quarantine whole, tells which rules it broke, and goes on with the others", () => {
    const whole = { seq: 2, boot: "b", readings: { latitude: 91, temperature: 20 }, tags: { line: "3" } };
    const { records, reply, twin } = takeTurn(
      pump({ type: "pump", region: "eu" }),
      telemetry([{ seq: 1, boot: "b", readings: { latitude: 1 } }, whole, { seq: 3, boot: "b", readings: { a: 1 } }]),
      at(nowMs),
    );
    expect(reply).toEqual({ kind: "counted", accepted: 2, duplicates: 0, refused: 1 });
    expect(letters(records)).toEqual([
      {
        kind: "deadLettered",
        atMs: nowMs,
        topic: "devices/pump-4/telemetry",
        reason: "quarantined",
        detail: "latitude is 91, above 90 (rule latitude).",
        payload: JSON.stringify(whole),
        encoding: "utf8",
        type: "pump",
        region: "eu",
        broken: [{ rule: "latitude", metric: "latitude" }],
      },
    ]);
    expect(latestOf(twin.metrics, "temperature")).toBeUndefined();
  });

  test("keeps the only message of a payload as it came", () => {
    const sent = '{ "readings": {"lat": 123} }';
    expect(letters(takeTurn(pump(), telemetry(sent), at(nowMs)).records)).toMatchObject([{ payload: sent }]);
  });

  test("takes a message that was in quarantine once it is right: it is no duplicate", () => {
    const wrong = takeTurn(pump(), telemetry({ id: "m1", readings: { lat: 123 } }), at(nowMs)).twin;
    const right = takeTurn(wrong, telemetry({ id: "m1", readings: { lat: 12.3 } }), at(nowMs));
    expect(right.reply).toMatchObject({ accepted: 1, duplicates: 0 });
  });

  test("flags what is doubtful, in a record that says the device's type and region", () => {
    const { records } = takeTurn(
      pump({ type: "pump", region: "eu" }),
      telemetry({ readings: { temperature: 400, humidity: 7 } }),
      at(nowMs),
    );
    expect(records).toMatchObject([
      {
        kind: "telemetry",
        type: "pump",
        region: "eu",
        readings: { temperature: 400, humidity: 7 },
        flags: { temperature: ["temperature-range"] },
      },
    ]);
  });

  test("says nothing of a type, region or flags where there are none", () => {
    const { records, twin } = takeTurn(pump(), telemetry({ seq: 1, boot: "b", readings: { a: 1 } }), at(nowMs));
    expect(records).toEqual([
      {
        kind: "telemetry",
        atMs: nowMs,
        tsMs: nowMs,
        readings: { a: 1 },
        identity: { kind: "sequence", boot: "b", seq: 1 },
      },
    ]);
    expect(Object.hasOwn(twin, "unchangedSince")).toBe(false);
  });

  test("says of a refused message too whose it was", () => {
    const { records } = takeTurn(pump({ type: "pump", region: "eu" }), telemetry("{"), at(nowMs));
    expect(letters(records)).toMatchObject([{ reason: "malformed-json", type: "pump", region: "eu" }]);
  });

  test("counts the duplicates of a payload", () => {
    const message = { seq: 7, boot: "b", readings: { a: 1 } };
    const once = takeTurn(pump(), telemetry(message), at(nowMs)).twin;
    const seen = { kind: "seen", atMs: nowMs, why: "duplicate" };
    expect(takeTurn(once, telemetry([message, message]), at(nowMs)).records).toEqual([{ ...seen, count: 2 }]);
    expect(takeTurn(once, telemetry(message), at(nowMs)).records).toEqual([seen]);
  });

  test("judges the clock by when the message reached us, not by when its turn came", () => {
    const late: TwinInput = { ...telemetry({ ts: nowMs, readings: { a: 1 } }), receivedAtMs: nowMs } as TwinInput;
    const { records } = takeTurn(pump(), late, at(nowMs + 30 * 86_400_000));
    expect(records.find(({ kind }) => kind === "telemetry")).not.toHaveProperty("flags");
  });
});

describe("a stuck sensor", () => {
  const stuck = rulesOf({ stuck: { kind: "stuck", metrics: ["level"], forMs: 10_000 } });
  const say = (twin: Twin, seconds: number, readings: object, more = stuck) => {
    const ms = nowMs + seconds * 1_000;
    return takeTurn(twin, telemetry({ ts: ms, seq: seconds, boot: "b", readings }), at(ms, more));
  };

  test("is found by what the twin keeps, and forgotten when its rule is gone", () => {
    let twin = say(pump(), 1, { level: 5, other: 1 }).twin;
    twin = say(twin, 6, { level: 5 }).twin;
    twin = say(twin, 8, { other: 2 }).twin;
    expect(twin.unchangedSince).toEqual({ level: nowMs + 1_000 });
    const flagged = say(twin, 12, { level: 5 });
    expect(flagged.records).toMatchObject([{ flags: { level: ["stuck"] }, unchangedSince: { level: nowMs + 1_000 } }]);
    const moved = say(flagged.twin, 13, { level: 6 });
    expect(moved.records).toMatchObject([{ unchangedSince: { level: nowMs + 13_000 } }]);
    const free = say(moved.twin, 14, { level: 7 }, rulesOf({})).twin;
    expect(Object.hasOwn(free, "unchangedSince")).toBe(false);
  });

  test("its records, folded, are its twin", () => {
    let twin = pump();
    for (const [seconds, level] of [
      [1, 5],
      [4, 5],
      [2, 9],
      [20, 5],
      [21, 4],
    ] as const) {
      const { records, twin: next } = say(twin, seconds, { level });
      expect(records.reduce(evolve, twin)).toEqual(next);
      twin = next;
    }
    expect(twin.unchangedSince).toEqual({ level: nowMs + 21_000 });
  });
});

test("whatever a payload holds, each of its messages is accepted as it was, known, or kept whole", () => {
  const reading = fc.oneof(fc.integer({ min: -200, max: 200 }), fc.boolean(), fc.constantFrom("", "on"));
  const message = fc.record({
    seq: fc.nat(5),
    boot: fc.constant("b"),
    ts: fc.integer({ min: nowMs - 8 * 86_400_000, max: nowMs + 600_000 }),
    readings: fc.dictionary(fc.constantFrom("temperature", "latitude", "level", "a"), reading, { minKeys: 1 }),
  });
  const rules = rulesOf({
    "temperature-range": { action: "quarantine" },
    stuck: { kind: "stuck", metrics: ["level"], forMs: 1_000 },
    jump: { kind: "rate", metrics: ["level"], maxPerSecond: 1, action: "quarantine" },
    needed: { kind: "required", metrics: ["a"] },
  });
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), (messages) => {
      const { records, reply } = takeTurn(pump({ type: "pump" }), telemetry(messages), at(nowMs, rules));
      const accepted = records.filter((record) => record.kind === "telemetry");
      const kept = letters(records).map(({ payload }) => JSON.parse(payload));
      const whole = kept.flatMap((each) => (Array.isArray(each) ? each : [each]));
      expect(reply).toMatchObject({ accepted: accepted.length, refused: whole.length });
      const seen = new Set<number>();
      const expected = messages.filter(({ seq }) =>
        accepted.some(({ identity }) => "seq" in identity && identity.seq === seq),
      );
      for (const { identity, readings, tsMs } of accepted) {
        const seq = "seq" in identity ? identity.seq : -1;
        expect(seen.has(seq)).toBe(false);
        seen.add(seq);
        expect(expected).toContainEqual({ seq, boot: "b", ts: tsMs, readings });
      }
      for (const each of whole) expect(messages).toContainEqual(each);
      const duplicates = records.flatMap((record) => (record.kind === "seen" ? [record.count ?? 1] : []));
      expect(accepted.length + whole.length + (duplicates[0] ?? 0)).toBe(messages.length);
    }),
  );
});
