/** Whether the system works: its parts, its devices, its process. */
import { availableParallelism, loadavg } from "node:os";
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { askProbe, type HealthProbe, healthRoutes } from "../ports/http-health/routes.ts";
import type { FleetStatistics } from "./fleet-statistics.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { answer, noParameters, problems } from "./route.ts";

const ServicesHealth = z
  .object({
    status: z.enum(["ok", "failing"]),
    services: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string().optional() })),
  })
  .openapi("ServicesHealth", { example: { status: "ok", services: { postgres: { ok: true } } } });

const DevicesHealth = z
  .object({
    status: z.enum(["ok", "degraded"]).openapi({ description: "degraded: devices are flapping, or most are offline" }),
    total: z.int(),
    online: z.int(),
    offline: z.int(),
    flapping: z.int(),
  })
  .openapi("DevicesHealth", { example: { status: "ok", total: 1000, online: 970, offline: 30, flapping: 0 } });

const SystemHealth = z
  .object({
    status: z.literal("ok"),
    uptimeSeconds: z.number(),
    node: z.string(),
    processors: z.int(),
    loadAverage: z.array(z.number()).openapi({ description: "Over 1, 5 and 15 minutes" }),
    memory: z.object({ residentBytes: z.int(), heapUsedBytes: z.int(), heapTotalBytes: z.int() }),
    twinsInMemory: z.int(),
    pendingTurns: z.int(),
    committedOffset: z.int(),
  })
  .openapi("SystemHealth", {
    example: {
      status: "ok",
      uptimeSeconds: 3600,
      node: "v24.9.0",
      processors: 4,
      loadAverage: [0.5, 0.4, 0.3],
      memory: { residentBytes: 120000000, heapUsedBytes: 60000000, heapTotalBytes: 80000000 },
      twinsInMemory: 1000,
      pendingTurns: 0,
      committedOffset: 123456,
    },
  });

const servicesHealth = createRoute({
  method: "get",
  path: "/health/services",
  tags: ["Operation"],
  summary: "Whether the parts of the system work; needs no key",
  request: { query: noParameters },
  responses: {
    ...problems(),
    200: answer("All of them do", ServicesHealth),
    503: answer("Some do not", ServicesHealth),
  },
});

const devicesHealth = createRoute({
  method: "get",
  path: "/health/devices",
  tags: ["Operation"],
  summary: "Whether the devices are there",
  request: { query: noParameters },
  responses: { 200: answer("Their numbers", DevicesHealth), ...problems() },
});

const systemHealth = createRoute({
  method: "get",
  path: "/health/system",
  tags: ["Operation"],
  summary: "What the process uses",
  request: { query: noParameters },
  responses: { 200: answer("Its numbers", SystemHealth), ...problems() },
});

export function serveHealth(app: OpenAPIHono<ApiEnv>, parts: ApiParts, statistics: FleetStatistics): void {
  // What an orchestrator asks of every process of Doppel; its /metrics is ours already.
  app.route("/", healthRoutes({ probes: parts.probes, metrics: parts.metrics, ready: parts.ready ?? (() => true) }));
  app.openapi(servicesHealth, async (c) => {
    const services = await checkProbes(parts.probes);
    return Object.values(services).every(({ ok }) => ok)
      ? c.json({ status: "ok" as const, services }, 200)
      : c.json({ status: "failing" as const, services }, 503);
  });

  app.openapi(devicesHealth, async (c) => {
    const { devices: total, online, offline, flapping } = await statistics.read();
    const status = flapping > 0 || online < offline ? ("degraded" as const) : ("ok" as const);
    return c.json({ status, total, online, offline, flapping }, 200);
  });

  app.openapi(systemHealth, (c) => {
    const { rss, heapUsed, heapTotal } = process.memoryUsage();
    const { twinsInMemory, pending, committedOffset } = parts.host.stats();
    const system = {
      status: "ok" as const,
      uptimeSeconds: Math.round(process.uptime()),
      node: process.version,
      processors: availableParallelism(),
      loadAverage: loadavg(),
      memory: { residentBytes: rss, heapUsedBytes: heapUsed, heapTotalBytes: heapTotal },
      twinsInMemory,
      pendingTurns: pending,
      committedOffset,
    };
    return c.json(system, 200);
  });
}

/** What each probe says, by its name. */
export async function checkProbes(
  probes: readonly HealthProbe[],
): Promise<Record<string, { ok: boolean; detail?: string }>> {
  const results = await Promise.all(probes.map(async (probe) => [probe.name, await askProbe(probe)] as const));
  return Object.fromEntries(results);
}
