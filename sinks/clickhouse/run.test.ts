import { describe, expect, onTestFinished, test } from "vitest";
import { clickHouseIsHere, testClickHouse } from "../../deploy/native/testing.ts";
import { openClickHouseAnalytics } from "../../ports/analytics/clickhouse.ts";
import { memoryAnalytics } from "../../ports/analytics/memory.ts";
import type { Analytics } from "../../ports/analytics/port.ts";
import type { EventLogReader } from "../../ports/event-log/port.ts";
import { openConsumer } from "../consumer.ts";
import { fleetStory } from "../replay/testing.ts";
import { clickHouseTarget } from "./run.ts";

const hourMs = 3_600_000;
const startMs = Math.floor(Date.now() / hourMs) * hourMs - 30 * hourMs;
const minutes = 90;
const entries = fleetStory(startMs, minutes).map((entry, offset) => ({ offset, entry }));
const log: Pick<EventLogReader, "read"> = {
  async read(offset, atMost) {
    const found = entries.slice(offset, offset + atMost);
    return { entries: found, next: offset + found.length };
  },
};

async function inClickHouse(): Promise<Analytics> {
  const { url, close } = await testClickHouse();
  const analytics = await openClickHouseAnalytics({
    ...{ url, keepMs: null, keepAggregatesMs: { minute: null, hour: null } },
  });
  onTestFinished(() => analytics.close().then(close));
  return analytics;
}

const places: [string, () => Promise<Analytics>][] = [["memory", async () => memoryAnalytics()]];
if (clickHouseIsHere) places.push(["ClickHouse", inClickHouse]);

describe.each(places)("what a fleet has sent, by the log into %s", (_, open) => {
  test("is there reading by reading, with flags, text and late ones, and in aggregates", async () => {
    const analytics = await open();
    const target = clickHouseTarget(analytics);
    const consumer = openConsumer(log, target, { maxRecords: 100, maxWeight: 10_000 });
    for (;;) {
      const step = await consumer.step();
      if (step.kind === "failed") throw step.error;
      if (step.kind === "idle") break;
    }
    await Promise.all(target.chores!.map(({ run }) => run(Date.now())));

    expect(await target.progress()).toBe(entries.length);
    const range = { device: "pump-2", fromMs: startMs - 24 * hourMs, toMs: startMs + 24 * hourMs };
    const temperature = await analytics.readings({ ...range, metric: "temperature" }, 1_000);
    expect(temperature).toHaveLength(minutes);
    expect(temperature[0]).toMatchObject({ tsMs: startMs + 2, value: 22, flags: ["range"] });
    expect(temperature[1]).toMatchObject({ value: 22 + Math.sin(1), flags: null });
    expect((await analytics.readings({ ...range, metric: "open" }, 2)).map(({ value }) => value)).toEqual([
      true,
      false,
    ]);
    expect((await analytics.readings({ ...range, metric: "mode" }, 1))[0]).toMatchObject({ value: "m2" });
    const late = await analytics.readings({ ...range, metric: "late" }, 1_000);
    expect(late[0]).toMatchObject({ tsMs: startMs + 2 - 3 * hourMs, value: 0 });

    const grid = { widthMs: hourMs, originMs: startMs };
    const hours = await analytics.aggregated({ ...range, metric: "temperature" }, "hour", grid);
    expect(hours.map(({ tsMs, count, flagged }) => [tsMs, count, flagged])).toEqual([
      [startMs, 60, 12],
      [startMs + hourMs, 30, 6],
    ]);
  });
});
