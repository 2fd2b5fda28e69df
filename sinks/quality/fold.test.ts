import fc from "fast-check";
import { expect, test } from "vitest";
import type { TwinRecord } from "../../core/device/records.ts";
import { deadLettered, noonMs, telemetry } from "../../ports/fleet-index/testing.ts";
import { noCounts, summed } from "../../ports/quality-stats/port.ts";
import { qualityRowsOf } from "./fold.ts";

const itemsOf = (records: readonly TwinRecord[]) =>
  records.map((record, offset) => ({ offset, entry: { device: "pump-4", record } }));
const rowsOf = (...records: TwinRecord[]) => qualityRowsOf(itemsOf(records));

test("a message counts as what became of it, in the minute in which it reached us", () => {
  const rows = rowsOf(
    { ...telemetry(noonMs), type: "pump", region: "eu" },
    { ...telemetry(noonMs + 59_999), type: "pump", region: "eu", tsMs: noonMs - 60_001 },
    { kind: "seen", atMs: noonMs, why: "duplicate", count: 3, type: "pump", region: "eu" },
    { kind: "seen", atMs: noonMs, why: "heartbeat" },
    { ...telemetry(noonMs + 60_000), tsMs: noonMs + 99_000 },
  );
  expect(rows).toEqual([
    {
      ...{ minuteMs: noonMs, type: "pump", region: "eu", rules: [] },
      counts: {
        ...{ ...noCounts, accepted: 2, duplicates: 3, readings: 2, timely: 1 },
        ...{ delaySumMs: 120_000, delayMaxMs: 120_000, newestMs: noonMs },
      },
    },
    {
      ...{ minuteMs: noonMs + 60_000, type: "default", region: "", rules: [] },
      // Its clock is ahead: it cannot be newer than now.
      counts: { ...noCounts, accepted: 1, readings: 1, timely: 1, newestMs: noonMs + 60_000 },
    },
  ]);
});

test("a rule counts a message once, however many of its metrics broke it", () => {
  const record = {
    ...telemetry(noonMs, { temperature: 99, humidity: 120, pressure: 1 }),
    flags: { temperature: ["range"], humidity: ["range", "stuck"], "": ["late"], lost: ["needed"] },
  };
  const [row] = qualityRowsOf(itemsOf([record]), (_type, rule) =>
    rule === "needed" ? "completeness" : rule === "late" ? "timeliness" : "accuracy",
  );
  expect(row?.rules).toEqual([
    { rule: "range", outcome: "flagged", messages: 1 },
    { rule: "stuck", outcome: "flagged", messages: 1 },
    { rule: "late", outcome: "flagged", messages: 1 },
    { rule: "needed", outcome: "flagged", messages: 1 },
  ]);
  const expected = { accepted: 1, flagged: 1, incomplete: 1, inaccurate: 1, readings: 3, flaggedReadings: 2 };
  expect(row?.counts).toMatchObject(expected);
});

test("quarantined messages count by rule, other dead letters by reason", () => {
  const broken = [
    { rule: "range", metric: "latitude" },
    { rule: "range", metric: "longitude" },
  ];
  const [row] = rowsOf(
    { ...deadLettered("quarantined"), broken } as TwinRecord,
    deadLettered("malformed-json"),
    deadLettered("malformed-json"),
  );
  expect(row?.counts).toMatchObject({ quarantined: 1, refused: 2, inaccurate: 1, incomplete: 0, accepted: 0 });
  expect(row?.rules).toEqual([
    { rule: "range", outcome: "quarantined", messages: 1 },
    { rule: "malformed-json", outcome: "refused", messages: 2 },
  ]);
});

test("nothing that is not about messages makes a row", () => {
  expect(rowsOf({ kind: "deregistered", atMs: noonMs }, { kind: "seen", atMs: noonMs, why: "request" })).toEqual([]);
});

test("in whatever batches records come, they come to the same", () => {
  const anyRecord = fc
    .record({
      atMs: fc.integer({ min: noonMs, max: noonMs + 120_000 }),
      type: fc.constantFrom("pump", "fan"),
      why: fc.constantFrom("telemetry", "duplicate", "quarantined", "not-utf8"),
      delayMs: fc.integer({ min: -100_000, max: 100_000 }),
    })
    .map(({ atMs, type, why, delayMs }): TwinRecord => {
      if (why === "telemetry") return { ...telemetry(atMs), type, region: "eu", tsMs: atMs - delayMs };
      if (why === "duplicate") return { kind: "seen", atMs, why: "duplicate", type, region: "eu" };
      return { ...(deadLettered(why, atMs) as TwinRecord & { kind: "deadLettered" }), type, region: "eu" };
    });
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 50 }), fc.nat(50), (records, cut) => {
      const total = (rows: ReturnType<typeof qualityRowsOf>) =>
        rows.map(({ counts }) => counts).reduce(summed, noCounts);
      const parts = [...rowsOf(...records.slice(0, cut)), ...rowsOf(...records.slice(cut))];
      const whole = total(rowsOf(...records));
      expect(total(parts)).toEqual(whole);
      expect(whole.accepted + whole.quarantined + whole.refused + whole.duplicates).toBe(records.length);
    }),
  );
});
