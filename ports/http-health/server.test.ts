import { Hono } from "hono";
import { expect, onTestFinished, test, vi } from "vitest";
import { openMetrics } from "../metrics/prometheus.ts";
import { askProbe, type HealthProbe } from "./routes.ts";
import { openRoleServer, type RoleServerOptions } from "./server.ts";

test("a process that answers is healthy, and ready while every probe is ok", async () => {
  let ok = true;
  const get = await opened({ probes: [working, { name: "log", check: async () => ({ ok, detail: "3 behind" }) }] });
  expect(await get("/healthz")).toEqual([200, { status: "ok" }]);
  expect(await get("/readyz")).toMatchObject([200, { status: "ready", failing: [] }]);
  ok = false;
  expect(await get("/readyz")).toMatchObject([
    503,
    { status: "failing", failing: ["log"], checks: { log: { ok: false, detail: "3 behind" }, database: { ok: true } } },
  ]);
  expect(await get("/healthz")).toEqual([200, { status: "ok" }]);
});

test("a process that starts or closes is not ready, whatever its probes say", async () => {
  const get = await opened({ ready: () => false });
  expect(await get("/readyz")).toMatchObject([503, { status: "not ready" }]);
});

test("a probe that throws tells nobody why", async () => {
  const check = async () => Promise.reject(new Error("password of db-17 is wrong"));
  const get = await opened({ probes: [{ name: "database", check }] });
  const [status, body] = await get("/readyz");
  expect([status, JSON.stringify(body)]).toEqual([503, expect.not.stringContaining("db-17")]);
});

test("a probe that says nothing for two seconds is not ok", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const asked = askProbe({ name: "stuck", check: () => new Promise(() => {}) });
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await asked).toEqual({ ok: false, detail: "no answer within 2 s" });
});

test("metrics come in the text format, and the role's own routes are there too", async () => {
  const metrics = openMetrics();
  metrics.gauge("doppel_test", "A test", () => 7);
  const routes = new Hono().post("/v1/mqtt/authn", (c) => c.json({ result: "allow" }));
  const get = await opened({ metrics: metrics.registry, routes });
  expect(await get("/metrics")).toEqual([200, expect.stringContaining("doppel_test 7")]);
  expect(await get("/v1/mqtt/authn", "POST")).toEqual([200, { result: "allow" }]);
  expect(await get("/other")).toMatchObject([404, { status: 404 }]);
});

test("a port that is taken is told", async () => {
  const first = await open({});
  await expect(open({ port: first.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  await Promise.all([first.close(), first.close()]);
});

const working: HealthProbe = { name: "database", check: async () => ({ ok: true }) };

async function open(options: Partial<RoleServerOptions>) {
  const metrics = openMetrics().registry;
  const server = await openRoleServer({
    ...{ host: "127.0.0.1", port: 0, probes: [working], metrics, ready: () => true },
    ...options,
  });
  onTestFinished(() => server.close());
  return server;
}

/** Status and body of what it answers. */
async function opened(options: Partial<RoleServerOptions>) {
  const { port } = await open(options);
  return async (path: string, method = "GET"): Promise<[number, unknown]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    const text = await response.text();
    return [response.status, text.startsWith("{") ? JSON.parse(text) : text];
  };
}
