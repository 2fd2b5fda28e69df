import { describe, expect, onTestFinished, test } from "vitest";
import type { Opened } from "../fleet-index/contract.ts";
import { StaleProgress } from "../time-series/port.ts";
import { noCounts, type QualityCounts, type QualityRow, type QualityStats, type RuleCount } from "./port.ts";

const noonMs = Date.UTC(2025, 10, 21, 12);
const minuteMs = 60_000;
const hourMs = 3_600_000;
const day = { fromMs: noonMs - 12 * hourMs, toMs: noonMs + 12 * hourMs };

function aRow(
  atMs: number,
  { type = "pump", region = "eu", rules = [] as RuleCount[], ...counts }: Partial<QualityRow & QualityCounts> = {},
): QualityRow {
  return { minuteMs: atMs, type, region, rules, counts: { ...noCounts, ...counts } };
}

const flagged = (rule: string, messages = 1): RuleCount => ({ rule, outcome: "flagged", messages });

/** The promises of `QualityStats` (Q1, Q2), for every implementation. */
export function qualityStatsContract(name: string, open: () => Promise<Opened<QualityStats>>): void {
  async function opened(): Promise<QualityStats> {
    const { port, close } = await open();
    onTestFinished(close);
    return port;
  }

  describe(`${name} as QualityStats`, () => {
    test("nothing that was counted gives nothing, not zeros", async () => {
      const port = await opened();
      expect([await port.progress(), await port.progressIn("iot-telemetry/0")]).toEqual([0, null]);
      expect([await port.buckets(day, minuteMs), await port.groups(day), await port.rules(day, minuteMs)]).toEqual([
        ...[[], [], []],
      ]);
      expect(await port.minutesFrom()).toBe(Number.NEGATIVE_INFINITY);
    });

    test("counts of a minute add up over batches and partitions, and the greatest delay and newest time stay", async () => {
      const port = await opened();
      const first = aRow(noonMs, { accepted: 3, delaySumMs: 30, delayMaxMs: 20, newestMs: noonMs + 5 });
      const second = aRow(noonMs, { accepted: 1, duplicates: 2, delaySumMs: 5, delayMaxMs: 5, newestMs: noonMs + 9 });
      await port.add([first], { from: 0, to: 3, partition: "iot-telemetry/0" });
      await port.add([second], { from: 3, to: 4, partition: "iot-telemetry/0" });
      await port.add([second], { from: 70, to: 71, partition: "iot-telemetry/1" });
      const counts = { ...noCounts, accepted: 5, duplicates: 4, delaySumMs: 40, delayMaxMs: 20, newestMs: noonMs + 9 };
      expect(await port.buckets(day, minuteMs)).toEqual([{ startMs: noonMs, counts }]);
      expect(await port.groups(day)).toEqual([{ type: "pump", region: "eu", counts }]);
    });

    test("a refused move of the progress adds nothing", async () => {
      const port = await opened();
      await port.add([aRow(noonMs, { accepted: 1 })], { from: 0, to: 5 });
      const again = port.add([aRow(noonMs, { accepted: 1, rules: [flagged("range")] })], { from: 0, to: 5 });
      await expect(again).rejects.toThrow(StaleProgress);
      expect((await port.buckets(day, hourMs)).map(({ counts }) => counts.accepted)).toEqual([1]);
      expect(await port.rules(day, hourMs)).toEqual([]);
      expect(await port.progress()).toBe(5);
    });

    test("partitions can be written at the same time", async () => {
      const port = await opened();
      const partitions = [0, 1, 2, 3, 4, 5].map((number) => `iot-telemetry/${number}`);
      await Promise.all(
        partitions.map(async (partition) => {
          for (let from = 0; from < 5; from += 1)
            await port.add([aRow(noonMs, { accepted: 1, rules: [flagged("range")] })], {
              from,
              to: from + 1,
              partition,
            });
        }),
      );
      expect((await port.groups(day))[0]?.counts.accepted).toBe(30);
      expect((await port.rules(day, hourMs))[0]?.messages).toBe(30);
    });

    test("a range, a type, a region and a rule narrow what is shown", async () => {
      const port = await opened();
      await port.add(
        [
          aRow(noonMs, { accepted: 1, rules: [flagged("range"), flagged("stuck", 2)] }),
          aRow(noonMs, { region: "us", accepted: 2, rules: [flagged("range")] }),
          aRow(noonMs + minuteMs, { type: "fan", accepted: 4 }),
          aRow(noonMs + hourMs, { accepted: 8, rules: [{ rule: "range", outcome: "quarantined", messages: 3 }] }),
        ],
        { from: 0, to: 9 },
      );
      const accepted = async (filter: object, intervalMs = hourMs) =>
        (await port.buckets({ ...day, ...filter }, intervalMs)).map(({ counts }) => counts.accepted);
      expect(await accepted({})).toEqual([7, 8]);
      expect(await accepted({}, minuteMs)).toEqual([3, 4, 8]);
      expect(await accepted({ type: "pump" })).toEqual([3, 8]);
      expect(await accepted({ type: "pump", region: "us" })).toEqual([2]);
      expect(await accepted({ fromMs: noonMs + minuteMs, toMs: noonMs + hourMs })).toEqual([4]);
      expect((await port.groups(day)).map(({ type, region, counts }) => [type, region, counts.accepted])).toEqual([
        ["fan", "eu", 4],
        ["pump", "eu", 9],
        ["pump", "us", 2],
      ]);
      const shown = (await port.rules({ ...day, rule: "range" }, hourMs)).map(
        ({ rule, outcome, startMs, region, messages }) => [rule, outcome, startMs - noonMs, region, messages],
      );
      expect(shown).toEqual([
        ["range", "flagged", 0, "eu", 1],
        ["range", "flagged", 0, "us", 1],
        ["range", "quarantined", hourMs, "eu", 3],
      ]);
      expect((await port.rules({ ...day, region: "us" }, hourMs)).map(({ rule }) => rule)).toEqual(["range"]);
    });

    test("minutes that became hours give the same sums, late minutes too, and old hours go", async () => {
      const port = await opened();
      const rows = [0, 1, 61].map((minutes) =>
        aRow(noonMs + minutes * minuteMs, { accepted: 1, delayMaxMs: minutes, rules: [flagged("range")] }),
      );
      await port.add(rows, { from: 0, to: 3, partition: "iot-telemetry/0" });
      const before = [await port.buckets(day, hourMs), await port.groups(day), await port.rules(day, hourMs)];
      const times = { mergeBeforeMs: 0, minutesBeforeMs: noonMs + hourMs, hoursBeforeMs: 0 };
      await port.maintain(times);
      await port.maintain(times);
      expect(await port.minutesFrom()).toBe(noonMs + hourMs);
      expect([await port.buckets(day, hourMs), await port.groups(day), await port.rules(day, hourMs)]).toEqual(before);
      await port.add([aRow(noonMs, { accepted: 1, rules: [flagged("range")] })], {
        from: 0,
        to: 1,
        partition: "iot-telemetry/1",
      });
      await port.maintain(times);
      expect((await port.buckets(day, hourMs)).map(({ counts }) => counts.accepted)).toEqual([3, 1]);
      expect((await port.rules(day, hourMs)).map(({ messages }) => messages)).toEqual([3, 1]);
      await port.maintain({ ...times, hoursBeforeMs: noonMs + hourMs });
      expect((await port.buckets(day, hourMs)).map(({ counts }) => counts.accepted)).toEqual([1]);
    });

    test("minutes of several partitions that are put together give the same sums, late ones too", async () => {
      const port = await opened();
      const row = aRow(noonMs, { accepted: 1, delayMaxMs: 5, rules: [flagged("range")] });
      const partitions = ["iot-telemetry/0", "iot-telemetry/1", "dead-letter/0"];
      const times = { mergeBeforeMs: noonMs + minuteMs, minutesBeforeMs: 0, hoursBeforeMs: 0 };
      for (let from = 0; from < 3; from += 1) {
        for (const partition of partitions) await port.add([row], { from, to: from + 1, partition });
        await port.maintain(times);
      }
      expect(await port.buckets(day, minuteMs)).toEqual([
        { startMs: noonMs, counts: { ...noCounts, accepted: 9, delayMaxMs: 5 } },
      ]);
      expect((await port.rules(day, minuteMs)).map(({ messages }) => messages)).toEqual([9]);
      // A sink adds to a minute that is being put together.
      await Promise.all([
        port.add([row], { from: 3, to: 4, partition: "iot-telemetry/0" }),
        ...[1, 2, 3].map(() => port.maintain(times)),
      ]);
      expect((await port.groups(day))[0]?.counts.accepted).toBe(10);
    });

    test("names may be any text", async () => {
      const port = await opened();
      const odd = { type: "päl\ud800\u0000", region: "'; --", rule: "ß\u0000" };
      await port.add([aRow(noonMs, { ...odd, accepted: 1, rules: [flagged(odd.rule)] })], { from: 0, to: 1 });
      expect(await port.groups({ ...day, type: odd.type, region: odd.region })).toHaveLength(1);
      expect(await port.rules({ ...day, rule: odd.rule }, hourMs)).toHaveLength(1);
      // Names that a database cannot tell apart are no trouble either.
      const alike = [{ type: "\u0000" }, { type: "\ud800" }, { type: "\ufffd" }];
      const rows = alike.map((name) => aRow(noonMs, { ...name, accepted: 1, rules: [flagged("range")] }));
      await port.add(rows, { from: 1, to: 2 });
      expect((await port.buckets(day, hourMs))[0]?.counts.accepted).toBe(4);
    });
  });
}
