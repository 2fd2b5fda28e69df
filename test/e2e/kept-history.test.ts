/** What a fleet has measured, judged, kept, and found by one query, whatever it is kept in. */
import { zstdDecompressSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type Doppel, eventually, startDoppel } from "../harness.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const archiveRows = 100;

let doppel: Doppel;
beforeAll(async () => {
  doppel = await startDoppel({ archiveRows });
});
afterAll(() => doppel?.close());

type Sent = { readonly ts: number; readonly readings: Record<string, number | boolean | string> };

let boots = 0;

async function publish(device: string, messages: readonly Sent[]): Promise<void> {
  const client = await doppel.device(device);
  const boot = `b${++boots}`;
  for (let from = 0; from < messages.length; from += 50) {
    const batch = messages.slice(from, from + 50).map((message, index) => ({ ...message, boot, seq: from + index }));
    await client.publishAsync(`devices/${device}/telemetry`, JSON.stringify(batch), { qos: 1 });
  }
  await client.endAsync();
}

const iso = (atMs: number) => new Date(atMs).toISOString();

function queryPath(parameters: Record<string, string | number>): string {
  const pairs = Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)]);
  return `/v1/query?${new URLSearchParams(pairs)}`;
}

const query = (parameters: Record<string, string | number>): Promise<Answer> =>
  doppel.call("GET", queryPath(parameters));

/** Asks until the series has so many readings; gives the answer. */
const queried = (parameters: Record<string, string | number>, readings: number): Promise<Answer> =>
  eventually(async () => {
    const answer = await query(parameters);
    const counts = answer.series.map(({ kind, points }: Answer) =>
      kind === "raw" ? points.length : points.reduce((sum: number, { count }: Answer) => sum + count, 0),
    );
    expect(counts).toEqual(answer.series.map(() => readings));
    return answer;
  }, 20_000);

describe("years of readings", () => {
  const nowMs = Math.floor(Date.now() / hourMs) * hourMs;
  /** Years back, at the border of the day, and today. */
  const times = [
    ...range(nowMs - 900 * dayMs, 300, 10_000),
    ...range(nowMs - dayMs, 300, 60_000),
    ...range(nowMs, 20, 1),
  ];
  const messages = times.map((ts, index) => ({ ts, readings: { level: index % 50, open: index % 2 === 0 } }));
  const whole = { start: iso(times[0]!), end: iso(nowMs + hourMs) };

  test("of several devices and metrics come by one query, each once, as readings or as intervals", async () => {
    for (const device of ["tank-1", "tank-2"]) await publish(device, messages);
    const asked = { device_id: "tank-1,tank-2", metric: "level,open", ...whole };
    const raw = await queried({ ...asked, max_points: 2_000 }, messages.length);
    expect(raw.series.map(({ device_id, metric }: Answer) => `${device_id} ${metric}`)).toEqual([
      ...["tank-1 level", "tank-1 open", "tank-2 level", "tank-2 open"],
    ]);
    expect(raw.series[0].points.map(({ ts, value }: Answer) => [Date.parse(ts), value])).toEqual(
      messages.map(({ ts, readings }) => [ts, readings.level]),
    );
    const daily = await queried({ ...asked, interval: "1d", aggregate: "max", timezone: "UTC" }, messages.length);
    expect(daily.series[0].points.every(({ value }: Answer) => value >= 0 && value < 50)).toBe(true);
  });

  test("are in Parquet files, sorted into days, and come back from the query in Parquet too", async () => {
    const response = await eventually(async () => {
      const answer = await fetch(
        new URL(queryPath({ device_id: "tank-1", metric: "level", format: "parquet", ...whole }), doppel.httpUrl),
      );
      expect(answer.status).toBe(200);
      return answer;
    });
    const file = await response.arrayBuffer();
    const compressors = { ZSTD: (bytes: Uint8Array) => zstdDecompressSync(bytes) };
    const rows = await parquetReadObjects({ file, compressors });
    expect(rows).toHaveLength(messages.length);
  });

  test("fit any number of points, with their least and their greatest", async () => {
    const answer = await query({ device_id: "tank-1", metric: "level", ...whole, max_points: 40 });
    const [series] = answer.series;
    expect(series.points.length).toBeLessThanOrEqual(40);
    expect(series.downsampling).toMatchObject({ from: expect.any(Number), to: series.points.length });
    expect(Math.min(...series.points.map(({ min }: Answer) => min))).toBe(0);
    expect(Math.max(...series.points.map(({ max }: Answer) => max))).toBe(49);
  });

  test("that arrive late are in the next answer, though the last one was kept", async () => {
    const asked = { device_id: "tank-2", metric: "level", ...whole, interval: "6h" };
    await queried(asked, messages.length);
    await publish("tank-2", [{ ts: nowMs - 500 * dayMs, readings: { level: 1_000 } }]);
    const answer = await queried(asked, messages.length + 1);
    expect(Math.max(...answer.series[0].points.map(({ max }: Answer) => max))).toBe(1_000);
  });

  test("are there after a restart, once", async () => {
    await doppel.restart();
    await queried({ device_id: "tank-1", metric: "level", ...whole, max_points: 2_000 }, messages.length);
    await queried({ device_id: "tank-1", metric: "level", ...whole, interval: "6h" }, messages.length);
  });

  test("can be exported once, as files that are there to be fetched", async () => {
    const { id } = await doppel.call("POST", "/v1/exports", {
      device_id: ["tank-1"],
      metric: ["level"],
      ...whole,
      format: "csv",
    });
    const done = await eventually(async () => {
      const job = await doppel.call("GET", `/v1/exports/${id}`);
      expect(JSON.stringify(job)).toContain('"done"');
      return job;
    }, 60_000);
    expect(JSON.stringify(done)).toContain(`"rows":${messages.length}`);
  });
});

describe("the quality of what devices say", () => {
  test("what breaks a rule is flagged or put in quarantine, and a corrected message counts once", async () => {
    const ts = Date.now();
    await doppel.call("POST", "/v1/devices", { id: "furnace-1", type: "furnace", region: "north" });
    await doppel.call("PUT", "/v1/device-types/furnace/quality", {
      impossible: { kind: "range", metrics: ["power"], min: 0, action: "quarantine" },
    });
    // In the distributed mode the hosts look for rules every two seconds.
    const letter = await eventually(async () => {
      await publish("furnace-1", [{ ts: Date.now(), readings: { power: -5 } }]);
      const { items } = await doppel.call("GET", "/v1/dead-letters?device=furnace-1&reason=quarantined");
      expect(items.length).toBeGreaterThan(0);
      return items[0];
    }, 30_000);
    expect(letter).toMatchObject({ broken: [{ rule: "impossible", metric: "power" }], type: "furnace" });
    await publish("furnace-1", [{ ts, readings: { temperature: 1_150, power: 4 } }]);
    const hot = await queried({ device_id: "furnace-1", metric: "temperature", start: iso(ts), end: iso(ts + 1) }, 1);
    expect(hot.series[0].points).toMatchObject([{ value: 1_150, flags: ["temperature-range"] }]);

    const path = `/v1/dead-letters/${letter.id}/resend`;
    const payload = { ts: ts + 5, readings: { power: 7 } };
    const sent = await doppel.call("POST", path, { payload });
    expect(sent.outcome).toMatchObject({ kind: "counted", accepted: 1 });
    await doppel.call("POST", path, { payload }, 409);
    const power = { device_id: "furnace-1", metric: "power", start: iso(ts + 5), end: iso(ts + 6) };
    expect((await queried(power, 1)).series[0].points).toMatchObject([{ value: 7 }]);

    await eventually(async () => {
      const quality = await doppel.call("GET", "/v1/quality?type=furnace");
      expect(JSON.stringify(quality)).toContain("impossible");
      expect(JSON.stringify(quality)).toContain("temperature-range");
    }, 30_000);
  });

  test("a message schema is held to, and changes only so that devices in the field still fit", async () => {
    const first = { type: "object", properties: { readings: { required: ["level"] } } };
    await doppel.call("PUT", "/v1/device-types/gauge/schemas", first);
    await doppel.call("POST", "/v1/devices", { id: "gauge-1", type: "gauge" });
    const refusal = await eventually(async () => {
      await publish("gauge-1", [{ ts: Date.now(), readings: { other: 1 } }]);
      const { items } = await doppel.call("GET", "/v1/dead-letters?device=gauge-1&rule=schema");
      expect(items.length).toBeGreaterThan(0);
      return items[0];
    }, 30_000);
    expect(refusal.reason).toBe("quarantined");
    const narrower = { type: "object", properties: { readings: { required: ["level", "more"] } } };
    await doppel.call("PUT", "/v1/device-types/gauge/schemas", narrower, 409);
    expect(await doppel.call("GET", "/v1/device-types/gauge/schemas/newest")).toMatchObject({ version: 1 });
  });
});

test("what cannot be answered says what to ask instead", async () => {
  await publish("lamp-1", [{ ts: Date.now(), readings: { on: true } }]);
  await queried({ device_id: "lamp-1", metric: "on" }, 1);
  const problem = (parameters: Record<string, string>, status: number) =>
    doppel.call("GET", queryPath(parameters), undefined, status);
  expect((await problem({ device_id: "nobody", metric: "on" }, 404)).detail).toContain("nobody");
  expect((await problem({ device_id: "lamp-1", metric: "off" }, 404)).detail).toContain("There are on");
  expect((await problem({ device_id: "lamp-1", metric: "on", timezone: "Mars/Base" }, 400)).detail).toBeTruthy();
  const empty = await query({ device_id: "lamp-1", metric: "on", start: "2001-01-01", end: "2001-01-02" });
  expect(empty.series[0].points).toEqual([]);
});

function range(startMs: number, count: number, stepMs: number): number[] {
  return Array.from({ length: count }, (_, index) => startMs + index * stepMs);
}
