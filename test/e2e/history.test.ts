import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { play } from "../../simulator/play.ts";
import { type RecordedReading, type RecordedSeries, readRecordedSeries } from "../../simulator/recorded-series.ts";
import { type Answer, type Doppel, eventually, mode, startDoppel } from "../harness.ts";
import { madeUp, recordedFiles } from "./recorded-files.ts";

const mostPoints = 10_000;
const windowRows = 9_000;

let doppel: Doppel;
const files = recordedFiles().map(({ name, csv }) => ({ name, device: name.replaceAll("_", "-"), ...asSeries(csv) }));
beforeAll(async () => {
  doppel = await startDoppel();
});
afterAll(() => doppel?.close());

function asSeries(csv: string): { series: RecordedSeries; sorted: RecordedReading[] } {
  const series = readRecordedSeries(csv);
  // The query gives the oldest first, and equal times in the order of arrival.
  return { series, sorted: series.readings.toSorted((a, b) => a.tsMs - b.tsMs) };
}

const playing = (series: RecordedSeries, device: string, metric = "temperature") =>
  play(series, {
    mqttUrl: doppel.mqttUrl,
    device,
    token: undefined,
    metric,
    speed: 1e12,
    say: () => {},
    stopped: () => false,
  });

const query = (device: string, metric: string, fromMs: number, toMs: number, maxPoints = mostPoints) =>
  doppel.call(
    "GET",
    `/v1/devices/${device}/telemetry?metric=${metric}&from=${fromMs}&to=${toMs}&maxPoints=${maxPoints}`,
  );

/** Every row of a metric, asked for window by window so that none is folded into a bucket. */
async function everyRow(
  device: string,
  metric: string,
  sorted: readonly RecordedReading[],
): Promise<RecordedReading[]> {
  const rows: RecordedReading[] = [];
  for (let start = 0; start < sorted.length; ) {
    const fromMs = sorted[start]!.tsMs;
    const end = sorted.findIndex(({ tsMs }, index) => index > start + windowRows && tsMs > sorted[index - 1]!.tsMs);
    const toMs = end < 0 ? sorted.at(-1)!.tsMs + 1 : sorted[end]!.tsMs;
    const answer = await query(device, metric, fromMs, toMs);
    expect(answer.kind).toBe("raw");
    rows.push(...answer.points.map(({ ts, value }: Answer) => ({ tsMs: Date.parse(ts), value })));
    start = end < 0 ? sorted.length : end;
  }
  return rows;
}

let markers = 0;

/**
 * Resolves when the twin has taken so many readings of the metric, and the history has them. It follows the log, which
 * has a device's messages in their order: when the newest is in it, all before it are.
 */
async function caughtUp(device: string, metric: string, rows: number): Promise<void> {
  await eventually(
    async () => expect((await doppel.call("GET", `/v1/devices/${device}`)).latest[metric].count).toBe(rows),
    60_000,
  );
  const marker = `m${++markers}`;
  await doppel.call("POST", `/v1/devices/${device}/telemetry`, { readings: { [marker]: 1 } });
  await eventually(
    async () => expect((await doppel.call("GET", `/v1/devices/${device}/metrics`)).metrics).toContain(marker),
    60_000,
  );
}

/** Two gateways take a device's messages side by side: those of one time have no order there. */
function inOrder(rows: readonly RecordedReading[]): readonly RecordedReading[] {
  return mode === "embedded" ? rows : rows.toSorted((a, b) => a.tsMs - b.tsMs || a.value - b.value);
}

describe.each(files)("the recorded series $name, played as one device", ({ device, series, sorted }) => {
  test("is acknowledged row by row, and every row comes back from the query", async () => {
    expect(await playing(series, device)).toBe(series.readings.length);
    await caughtUp(device, "temperature", series.readings.length);
    expect(inOrder(await everyRow(device, "temperature", sorted))).toEqual(inOrder(sorted));
  }, 120_000);

  test("played a second time adds nothing to the history", async () => {
    const tail = { ...series, readings: series.readings.slice(-500) };
    const numbered = tail.readings.map(({ tsMs, value }, index) => ({
      ts: tsMs,
      seq: series.readings.length - tail.readings.length + index,
      boot: series.id,
      readings: { temperature: value },
    }));
    expect(await doppel.call("POST", `/v1/devices/${device}/telemetry`, numbered)).toEqual({
      accepted: 0,
      duplicates: 500,
      refused: 0,
    });
    await caughtUp(device, "temperature", series.readings.length);
    expect(await everyRow(device, "temperature", sorted)).toHaveLength(series.readings.length);
  });

  test("has its newest value and its statistics in the twin", async () => {
    const { latest } = await doppel.call("GET", `/v1/devices/${device}`);
    const values = series.readings.map(({ value }) => value);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(latest.temperature).toMatchObject({
      value: sorted.at(-1)!.value,
      ts: new Date(sorted.at(-1)!.tsMs).toISOString(),
      count: values.length,
      min: Math.min(...values),
      max: Math.max(...values),
    });
    expect(latest.temperature.mean).toBeCloseTo(mean, 6);
  });

  test.each([1, 10, 500, 10_000])("is thinned to at most %i points that still hold every row", async (maxPoints) => {
    const toMs = sorted.at(-1)!.tsMs + 1;
    const answer = await query(device, "temperature", sorted[0]!.tsMs, toMs, maxPoints);
    expect(answer.points.length).toBeLessThanOrEqual(maxPoints);
    expect(answer.points.length).toBeGreaterThan(maxPoints < sorted.length ? maxPoints / 4 : sorted.length - 1);
    if (sorted.length <= maxPoints) {
      expect(answer.kind).toBe("raw");
      return;
    }
    expect(answer.kind).toBe("buckets");
    const { points } = answer as { points: { ts: string; count: number; avg: number; min: number; max: number }[] };
    expect(points.reduce((rows, { count }) => rows + count, 0)).toBe(sorted.length);
    expect(Math.max(...points.map(({ max }) => max))).toBe(Math.max(...sorted.map(({ value }) => value)));
    expect(Math.min(...points.map(({ min }) => min))).toBe(Math.min(...sorted.map(({ value }) => value)));
    const total = points.reduce((sum, { count, avg }) => sum + count * avg, 0);
    expect(total / sorted.length).toBeCloseTo(sorted.reduce((sum, { value }) => sum + value, 0) / sorted.length, 6);
    expect(points.map(({ ts }) => ts)).toEqual(points.map(({ ts }) => ts).toSorted());
  });
});

test("rows with equal times come back each", async () => {
  const { series, sorted } = asSeries(
    madeUp({ name: "set-back", rows: 90, from: Date.UTC(2026, 2, 1), everyMs: 300_000 }),
  );
  expect(new Set(sorted.map(({ tsMs }) => tsMs)).size).toBeLessThan(sorted.length);
  await playing(series, "set-back", "t");
  await caughtUp("set-back", "t", sorted.length);
  expect(inOrder(await everyRow("set-back", "t", sorted))).toEqual(inOrder(sorted));
});

test("the history is there after a restart, once", async () => {
  const { device, sorted } = files[0]!;
  await doppel.restart();
  expect(inOrder(await everyRow(device, "temperature", sorted))).toEqual(inOrder(sorted));
});

test("booleans and texts have a history too, and the metrics of a device are listed", async () => {
  const from = Date.UTC(2026, 4, 1);
  const messages = Array.from({ length: 10 }, (_, index) => ({
    ts: from + index * 1_000,
    readings: { open: index % 2 === 0, mode: `m${index}`, level: index },
  }));
  await doppel.call("POST", "/v1/devices/mixed/telemetry", messages);
  await eventually(async () =>
    expect(await doppel.call("GET", "/v1/devices/mixed/metrics")).toEqual({ metrics: ["level", "mode", "open"] }),
  );
  const values = async (metric: string) =>
    (await query("mixed", metric, from, from + 10_000)).points.map(({ value }: Answer) => value);
  expect(await values("open")).toEqual(messages.map(({ readings }) => readings.open));
  expect(await values("mode")).toEqual(messages.map(({ readings }) => readings.mode));
  const { points } = await query("mixed", "open", from, from + 10_000, 1);
  expect(points).toMatchObject([{ count: 10, avg: 0.5, min: 0, max: 1 }]);
});

test("the paths of earlier systems give the same rows", async () => {
  const ts = Date.now() - 60_000;
  await doppel.call("POST", "/v1/devices/legacy/telemetry", { ts, readings: { t: 4.5 } });
  await caughtUp("legacy", "t", 1);
  const start = new Date(ts - 1_000).toISOString();
  const end = new Date(ts + 1_000).toISOString();
  const paths = [
    "/api/device/legacy/latest",
    "/api/device/legacy/history?hours=1",
    `/v1/query?device_id=legacy&metric=t&start=${start}&end=${end}`,
  ];
  for (const path of paths) expect(JSON.stringify(await doppel.call("GET", path))).toContain("4.5");
});
