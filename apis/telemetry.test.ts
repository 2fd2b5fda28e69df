import { afterEach, beforeEach, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const telemetry = "/v1/devices/pump-4/telemetry";
const nowMs = 1_795_262_400_000;

test("telemetry is counted, and comes back as it was sent", async () => {
  const messages = [1, 2, 3].map((n) => ({ ts: nowMs - n * 1_000, seq: n, readings: { temperature: 20 + n } }));
  expect((await api.json("POST", telemetry, messages)).body).toEqual({ accepted: 3, duplicates: 0, refused: 0 });
  expect((await api.json("POST", telemetry, [...messages, { readings: 5 }])).body).toEqual({
    accepted: 0,
    duplicates: 3,
    refused: 1,
  });
  await api.project();
  expect((await api.json("GET", `${telemetry}?metric=temperature`)).body).toEqual({
    device: "pump-4",
    metric: "temperature",
    from: "2026-11-20T12:00:00.001Z",
    to: "2026-11-21T12:00:00.001Z",
    kind: "raw",
    points: [
      { ts: "2026-11-21T11:59:57.000Z", value: 23 },
      { ts: "2026-11-21T11:59:58.000Z", value: 22 },
      { ts: "2026-11-21T11:59:59.000Z", value: 21 },
    ],
  });
  expect((await api.json("GET", "/v1/devices/pump-4/metrics")).body).toEqual({ metrics: ["temperature"] });
  expect((await api.json("GET", "/v1/dead-letters")).body.items).toMatchObject([
    { device: "pump-4", kind: "deadLettered", reason: "missing-readings" },
  ]);
});

test("more readings than asked for come in buckets", async () => {
  const messages = Array.from({ length: 100 }, (_, n) => ({ ts: nowMs - n * 1_000, seq: n, readings: { t: n } }));
  await api.json("POST", telemetry, messages);
  await api.project();
  const { body } = await api.json("GET", `${telemetry}?metric=t&maxPoints=10`);
  expect(body.kind).toBe("buckets");
  expect(body.bucketSeconds).toBeGreaterThan(0);
  expect(body.points.length).toBeLessThanOrEqual(10);
  expect(body.points.reduce((sum: number, { count }: { count: number }) => sum + count, 0)).toBe(100);
});

test("a range is given in ISO 8601 or in epoch milliseconds", async () => {
  await api.json("POST", telemetry, { ts: nowMs - 5_000, readings: { t: 1 } });
  await api.project();
  const count = async (range: string) => (await api.json("GET", `${telemetry}?metric=t&${range}`)).body.points?.length;
  expect(await count("from=2026-11-21T11:59:55Z&to=2026-11-21T11:59:56Z")).toBe(1);
  expect(await count(`from=${nowMs - 4_000}`)).toBe(0);
  expect(await count("from=2026-11-21T13:59:55%2B02:00")).toBe(1);
  expect((await api.json("GET", `${telemetry}?metric=t&from=yesterday`)).status).toBe(400);
  expect((await api.json("GET", `${telemetry}?metric=t&from=2000&to=1000`)).body.detail).toContain("empty");
});

test("a device that nobody knows cannot send where the registry is closed", async () => {
  const closed = await openTestApi({ openRegistry: false });
  expect((await closed.json("POST", telemetry, { readings: { t: 1 } })).status).toBe(404);
  await closed.close();
});

test("the earlier paths have the same data", async () => {
  await api.json("POST", telemetry, { ts: nowMs - 5_000, readings: { t: 1, u: true } });
  await api.project();
  expect((await api.json("GET", "/api/devices")).body).toMatchObject({ total: 1, devices: [{ id: "pump-4" }] });
  expect((await api.json("GET", "/api/device/pump-4/latest")).body).toMatchObject({
    device_id: "pump-4",
    timestamp: "2026-11-21T11:59:55.000Z",
    values: { t: { value: 1 }, u: { value: true } },
  });
  const history = await api.json("GET", "/api/device/pump-4/history?hours=1");
  expect(history.body.metrics).toMatchObject({ t: { points: [{ value: 1 }] }, u: { points: [{ value: true }] } });
  expect((await api.json("GET", "/api/device/pump-4/history?hours=1&metric=t")).body.metrics).not.toHaveProperty("u");
  expect((await api.json("GET", "/api/device/pump-4/history?hours=0")).status).toBe(400);
  const query = await api.json("GET", `/v1/query?device_id=pump-4&metric=t&start=${nowMs - 6_000}&end=${nowMs}`);
  expect(query.body.series).toMatchObject([{ kind: "raw", points: [{ ts: "2026-11-21T11:59:55.000Z", value: 1 }] }]);
  expect((await api.json("GET", "/api/dashboard/stats")).body).toEqual((await api.json("GET", "/v1/stats")).body);
});

test("statistics count devices, messages and what the projections lack", async () => {
  let ms = nowMs;
  const moving = await openTestApi({ now: () => ms });
  await moving.json(
    "POST",
    telemetry,
    [1, 2, 3, 4, 5].map((seq) => ({ seq, readings: { t: seq } })),
  );
  ms += 1_000;
  const { body } = await moving.json("GET", "/v1/stats");
  expect(body).toMatchObject({ messagesPerSecond: 1, twinsInMemory: 1 });
  expect(body.sinkLag.fleet).toBeGreaterThan(0);
  await moving.project();
  ms += 10_000;
  expect((await moving.json("GET", "/v1/stats")).body).toMatchObject({
    devices: 1,
    online: 1,
    messagesPerSecond: 0,
    sinkLag: { fleet: 0, timeseries: 0 },
    regions: [{ region: "", devices: 1, online: 1 }],
  });
  await moving.close();
});

test("events come newest first, by kind and in pages", async () => {
  await api.request("POST", "/v1/devices", { id: "pump-4", region: "eu" });
  await api.request("PATCH", "/v1/devices/pump-4", { region: "us" });
  await api.request("PATCH", "/v1/devices/pump-4/shadow", { state: { desired: { a: 1 } } });
  await api.request("POST", "/v1/devices/pump-4/commands", { name: "reboot", expiresInSeconds: 1 });
  await api.json("POST", telemetry, { readings: { t: 1 } });
  await api.project();
  const all = await api.json("GET", "/v1/devices/pump-4/events");
  expect(all.body.items.map(({ kind }: { kind: string }) => kind)).toEqual([
    "presence",
    "commandRequested",
    "shadowUpdated",
    "registrationChanged",
    "registered",
  ]);
  expect(all.body.items[0]).toEqual({
    offset: expect.any(Number),
    device: "pump-4",
    kind: "presence",
    at: "2026-11-21T12:00:00.000Z",
    edge: "heard",
    status: "online",
    since: "2026-11-21T12:00:00.000Z",
  });
  expect(all.body.items[1]).toMatchObject({ name: "reboot", expiresAt: "2026-11-21T12:00:01.000Z" });
  expect(all.body.items[4].registration).toMatchObject({ region: "eu", createdAt: "2026-11-21T12:00:00.000Z" });
  const some = await api.json("GET", "/v1/events?kinds=shadowUpdated,registered&limit=1");
  expect(some.body.items).toMatchObject([{ kind: "shadowUpdated", by: "app" }]);
  const rest = await api.json(
    "GET",
    `/v1/events?kinds=shadowUpdated,registered&cursor=${encodeURIComponent(some.body.next)}`,
  );
  expect(rest.body).toMatchObject({ items: [{ kind: "registered" }], next: null });
  expect((await api.json("GET", "/v1/events?kinds=wedding")).status).toBe(400);
});
