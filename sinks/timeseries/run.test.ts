import { expect, onTestFinished, test } from "vitest";
import { noonMs, registered, telemetry } from "../../ports/fleet-index/testing.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { testDatabase } from "../../ports/postgres/testing.ts";
import { openPostgresSinkDeadLetters } from "../../ports/sink-dead-letters/postgres.ts";
import { aRange, aRetention } from "../../ports/time-series/contract.ts";
import { memoryTimeSeries } from "../../ports/time-series/memory.ts";
import { openPostgresTimeSeries } from "../../ports/time-series/postgres.ts";
import { Breaker, withBreaker } from "../breaker.ts";
import { withSetAside } from "../set-aside.ts";
import { timeSeriesTarget } from "./run.ts";

const retention = async () => aRetention();

test("a reading that the database refuses is set aside with its reason, the rest of the batch goes on", async () => {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 3 });
  onTestFinished(async () => {
    await pool.end();
    await database.close();
  });
  const series = await openPostgresTimeSeries(pool);
  const deadLetters = await openPostgresSinkDeadLetters(pool);
  const sink = withSetAside(timeSeriesTarget(series, { retention, deadLetters }), deadLetters, () => noonMs);
  const good = telemetry(noonMs, { temperature: 21.5, humidity: 40 });
  const tooEarly = { ...telemetry(noonMs, { temperature: 1 }), tsMs: -8.64e15 };
  const items = [good, tooEarly, registered(), good].map((record, offset) => ({
    ...{ offset, entry: { device: "pump-4", record } },
  }));
  await sink.commit(items, { from: 0, to: 4, partition: "iot-telemetry/1" });
  // Delivered twice it is refused as a whole, and set aside no second time.
  await expect(sink.commit(items, { from: 0, to: 4, partition: "iot-telemetry/1" })).rejects.toThrow(
    "go on from there",
  );
  expect(await sink.progressIn("iot-telemetry/1")).toBe(4);
  expect(await series.count(aRange(), 9)).toBe(2);
  expect(await series.count(aRange({ metric: "humidity" }), 9)).toBe(2);
  const letters = await deadLetters.list({ limit: 9 });
  expect(letters).toMatchObject([
    {
      sink: "timeseries",
      partition: "iot-telemetry/1",
      offset: 1,
      part: "temperature",
      device: "pump-4",
      atMs: noonMs,
    },
  ]);
  expect(letters[0]!.reason).toMatch(/before the year 1/);
  expect(JSON.parse(letters[0]!.content)).toMatchObject({ metric: "temperature", value: 1 });
});

test("while the database is away the sink asks it only now and then, and goes on when it is back", async () => {
  let nowMs = noonMs;
  let asked = 0;
  let away = true;
  const memory = memoryTimeSeries();
  const series: typeof memory = {
    ...memory,
    async write(rows, progress) {
      asked += 1;
      if (away) throw Object.assign(new Error("connect"), { syscall: "connect", code: "ECONNREFUSED" });
      await memory.write(rows, progress);
    },
  };
  const sink = withBreaker(timeSeriesTarget(series, { retention }), new Breaker({ now: () => nowMs }));
  const commit = () => sink.commit([], { from: 0, to: 1 });
  for (let n = 0; n < 20; n += 1) await expect(commit()).rejects.toMatchObject(n < 3 ? {} : { code: "CIRCUIT_OPEN" });
  expect([asked, sink.breaker?.()]).toEqual([3, "open"]);
  nowMs += 60_000;
  away = false;
  await commit();
  expect([await sink.progress(), sink.breaker?.()]).toEqual([1, "closed"]);
});

test("its chores keep the partitions and bring the aggregates up", async () => {
  const series = memoryTimeSeries();
  const sink = timeSeriesTarget(series, { retention, refreshMs: 30_000 });
  const [first, second] = sink.chores!;
  expect([first!.name, first!.first, second!.name, second!.everyMs]).toEqual(["retention", true, "aggregates", 30_000]);
  await sink.commit([{ offset: 0, entry: { device: "pump-4", record: telemetry(noonMs, { temperature: 1 }) } }], {
    ...{ from: 0, to: 1 },
  });
  await first!.run(noonMs + 2 * 3_600_000);
  await second!.run(noonMs + 2 * 3_600_000);
  expect(await series.aggregated(aRange(), "hour", { widthMs: 3_600_000, originMs: 0 })).toHaveLength(1);
});
