import { tableFromIPC } from "apache-arrow";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const nowMs = 1_795_262_400_000; // 2026-11-21T12:00:00Z

async function measured(device: string, readings: (n: number) => object, count: number, everyMs = 1_000) {
  const messages = Array.from({ length: count }, (_, n) => ({
    ts: nowMs - (count - n) * everyMs,
    seq: n,
    readings: readings(n),
  }));
  for (let from = 0; from < count; from += 2_000) {
    const { body } = await api.json("POST", `/v1/devices/${device}/telemetry`, messages.slice(from, from + 2_000));
    expect(body).toMatchObject({ duplicates: 0, refused: 0 });
  }
  await api.project();
}
const query = (parameters: string) => api.json("GET", `/v1/query?${parameters}`);

describe("GET /v1/query", () => {
  test("gives readings of one device and metric, and says where they come from", async () => {
    await measured("pump-4", (n) => ({ t: n, mode: "eco" }), 2);
    expect((await query("device_id=pump-4&metric=t&start=2026-11-21T11:00:00Z&end=2026-11-21T12:00:00Z")).body).toEqual(
      {
        start: "2026-11-21T11:00:00.000Z",
        end: "2026-11-21T12:00:00.000Z",
        timezone: "UTC",
        aggregate: null,
        interval: null,
        series: [
          {
            ...{ device_id: "pump-4", metric: "t", sources: ["raw"], downsampling: null, flagged: 0, kind: "raw" },
            points: [
              { ts: "2026-11-21T11:59:58.000Z", value: 0 },
              { ts: "2026-11-21T11:59:59.000Z", value: 1 },
            ],
          },
        ],
      },
    );
  });

  test("gives several devices and metrics, with commas or repeated, in the order asked for", async () => {
    await measured("pump-4", (n) => ({ t: n, u: n }), 2);
    await measured("pump-5", (n) => ({ t: n }), 2);
    const { body } = await query("device_id=pump-5,pump-4&metric=u&metric=t");
    const names = body.series.map(
      ({ device_id, metric, points }: { device_id: string; metric: string; points: [] }) => [
        ...[device_id, metric, points.length],
      ],
    );
    expect(names).toEqual([
      ["pump-5", "u", 0],
      ["pump-5", "t", 2],
      ["pump-4", "u", 2],
      ["pump-4", "t", 2],
    ]);
  });

  test("gives intervals with the aggregate that was asked for", async () => {
    await measured("pump-4", (n) => ({ t: n }), 120);
    const { body } = await query("device_id=pump-4&metric=t&interval=1m&aggregate=sum");
    expect(body).toMatchObject({ aggregate: "sum", interval: "1m" });
    expect(body.series[0]).toMatchObject({ kind: "intervals", interval_seconds: 60, downsampling: null });
    expect(body.series[0].points[0]).toEqual({
      ts: "2026-11-21T11:58:00.000Z",
      ...{ value: 1_770, count: 60, avg: 29.5, min: 0, max: 59, stddev: expect.closeTo(17.318, 3), flagged: 0 },
    });
  });

  test("downsamples to what was asked for, and says so", async () => {
    await measured("pump-4", (n) => ({ t: n }), 500);
    const { body } = await query("device_id=pump-4&metric=t&max_points=50");
    expect(body.series[0].downsampling).toMatchObject({ method: "minmax", from: 500 });
    expect(body.series[0].points.length).toBeLessThanOrEqual(50);
    const lttb = await query("device_id=pump-4&metric=t&max_points=50&downsample=lttb");
    expect(lttb.body.series[0]).toMatchObject({ kind: "raw", downsampling: { method: "lttb", from: 500, to: 50 } });
    expect((await query("device_id=pump-4&metric=t&max_points=50&downsample=none")).body).toMatchObject({
      status: 400,
      type: "urn:doppel:problem:query-too-large",
      detail: expect.stringContaining("format=ndjson"),
    });
  });

  test("days begin at midnight of the time zone", async () => {
    await measured("pump-4", (n) => ({ t: n }), 48, 3_600_000);
    const { body } = await query("device_id=pump-4&metric=t&interval=1d&timezone=asia/tokyo&start=2026-11-01");
    expect(body.timezone).toBe("Asia/Tokyo");
    expect(body.series[0].points.map(({ ts }: { ts: string }) => ts)).toEqual([
      "2026-11-18T15:00:00.000Z",
      "2026-11-19T15:00:00.000Z",
      "2026-11-20T15:00:00.000Z",
    ]);
  });

  test("says what is wrong, and what to give instead", async () => {
    await measured("pump-4", (n) => ({ t: n }), 2);
    await api.json("POST", "/v1/devices", { id: "silent" });
    await api.project();
    const refused = async (parameters: string) => {
      const { status, body } = await query(parameters);
      return `${status} ${body.detail}`;
    };
    expect(await refused("device_id=pump-9&metric=t")).toContain("404 There is no device pump-9");
    expect(await refused("device_id=pump-4&metric=x")).toContain(
      '404 None of these devices has ever sent a metric "x". There are t.',
    );
    expect(await refused("device_id=silent&metric=t")).toContain("Nothing was measured yet");
    expect(await refused("device_id=pump-4&metric=t&start=2000&end=1000")).toContain("400 The range is empty");
    expect(await refused("device_id=pump-4&metric=t&timezone=Mars/Olympus")).toContain(
      '400 query/timezone: There is no time zone "Mars/Olympus"',
    );
    expect(await refused("device_id=pump-4&metric=t&interval=5")).toContain('400 query/interval: "5" is no interval');
    expect(await refused("device_id=pump-4&metric=t&interval=1ms&start=0")).toContain("200");
    expect(await refused("device_id=pump-4&metric=t&max_points=10001")).toContain("400 query/max_points");
    expect(await refused("device_id=a%20b&metric=t")).toContain("400 query/device_id");
    expect(await refused("device_id=pump-4&metric=t&format=xml")).toContain("400 query/format");
  });

  test("has nothing to say of a time in which nothing was measured", async () => {
    await measured("pump-4", (n) => ({ t: n }), 2);
    const { status, body } = await query("device_id=pump-4&metric=t&start=2020-01-01&end=2020-01-02&interval=1h");
    expect(status).toBe(200);
    expect(body.series[0]).toMatchObject({ points: [], sources: [] });
  });

  test("streams all readings as lines, however many", async () => {
    const count = 12_000;
    await measured("pump-4", (n) => ({ t: n }), count);
    const response = await api.request("GET", "/v1/query?device_id=pump-4&metric=t&format=ndjson");
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    expect(response.headers.get("content-disposition")).toContain("history.ndjson");
    const lines = (await response.text()).trimEnd().split("\n");
    expect(lines).toHaveLength(count);
    expect(JSON.parse(lines.at(-1)!)).toEqual({
      device_id: "pump-4",
      metric: "t",
      ts: "2026-11-21T11:59:59.000Z",
      value: count - 1,
    });
  });

  test("gives the format that is accepted", async () => {
    await measured("pump-4", (n) => ({ t: n }), 3);
    const path = "/v1/query?device_id=pump-4&metric=t";
    const csv = await api.request("GET", path, undefined, { accept: "text/csv" });
    expect(await csv.text()).toMatch(/^device_id,metric,ts,value,flags\r\npump-4,t,2026-11-21T11:59:57.000Z,0,\r\n/);
    const arrow = await api.request("GET", `${path}&interval=1m`, undefined, {
      accept: "application/vnd.apache.arrow.stream",
    });
    const [row] = tableFromIPC(new Uint8Array(await arrow.arrayBuffer())).toArray();
    expect(row!.toJSON()).toMatchObject({ device_id: "pump-4", count: 3, avg: 1 });
    const parquet = await api.request("GET", `${path}&format=parquet&max_points=100`);
    const bytes = Buffer.from(await parquet.arrayBuffer());
    expect([bytes.subarray(0, 4).toString(), bytes.subarray(-4).toString()]).toEqual(["PAR1", "PAR1"]);
    expect((await api.json("GET", `${path}9&format=csv`)).body.type).toBe("urn:doppel:problem:unknown-metric");
  });

  test("a client that goes ends the stream", async () => {
    await measured("pump-4", (n) => ({ t: n }), 12_000);
    for (let n = 0; n < 20; n += 1) {
      const response = await api.request("GET", "/v1/query?device_id=pump-4&metric=t&format=csv");
      expect(response.status).toBe(200);
      await response.body!.cancel();
    }
    expect(api.errors).toEqual([]);
  });
});
