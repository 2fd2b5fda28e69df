import { afterAll, beforeAll, expect, test } from "vitest";
import { type Doppel, eventually, startDoppel } from "../harness.ts";

let doppel: Doppel;
beforeAll(async () => {
  doppel = await startDoppel();
});
afterAll(() => doppel?.close());

test("a device's first message makes its twin, and its reading comes back from the API and the history", async () => {
  const device = await doppel.device("pump-1");
  const ts = Date.now();
  await device.publishAsync("devices/pump-1/telemetry", JSON.stringify({ ts, readings: { temperature: 21.5 } }), {
    qos: 1,
  });

  await eventually(async () => {
    const twin = await doppel.call("GET", "/v1/devices/pump-1");
    expect(twin).toMatchObject({ id: "pump-1", status: "online", connected: true });
    expect(twin.latest.temperature).toMatchObject({ value: 21.5, ts: new Date(ts).toISOString(), count: 1 });
  });

  const from = new Date(ts - 1_000).toISOString();
  const history = await eventually(async () => {
    const answer = await doppel.call("GET", `/v1/devices/pump-1/telemetry?metric=temperature&from=${from}`);
    expect(answer.points).toHaveLength(1);
    return answer;
  });
  expect(history).toMatchObject({ kind: "raw", points: [{ ts: new Date(ts).toISOString(), value: 21.5 }] });

  await eventually(async () => {
    const { items, total } = await doppel.call("GET", "/v1/devices?search=PUMP");
    expect(total).toBe(1);
    expect(items[0]).toMatchObject({ id: "pump-1", status: "online" });
  });
});

test("operators see how many devices are online and offline", async () => {
  await doppel.device("pump-3");
  await eventually(async () => {
    const metrics = await (await fetch(new URL("/metrics", doppel.httpUrl))).text();
    const online = Number(/doppel_devices\{status="online"\} (\d+)/.exec(metrics)?.[1]);
    expect(online).toBeGreaterThanOrEqual(1);
    expect(metrics).toContain('doppel_devices{status="offline"}');
  });
});

test("what a device was told is true after a restart", async () => {
  const device = await doppel.device("pump-2");
  const ts = Date.now() - 1_000;
  const reading = (seq: number) => JSON.stringify({ seq, boot: 1, ts: ts + seq, readings: { count: seq } });
  for (let seq = 1; seq <= 100; seq += 1)
    await device.publishAsync("devices/pump-2/telemetry", reading(seq), { qos: 1 });
  await doppel.restart();
  const count = async () => (await doppel.call("GET", "/v1/devices/pump-2")).latest.count;
  await eventually(async () => expect(await count()).toMatchObject({ value: 100, count: 100 }));

  const again = await doppel.device("pump-2");
  for (const seq of [100, 101]) await again.publishAsync("devices/pump-2/telemetry", reading(seq), { qos: 1 });
  await eventually(async () => expect(await count()).toMatchObject({ value: 101, count: 101 }));
});
