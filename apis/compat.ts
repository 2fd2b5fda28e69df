/** Paths of earlier systems, kept for the apps that call them: the same data as `/v1`, in flat shapes. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { entries } from "../core/device/metrics.ts";
import { DeviceView, deviceOfSummary, LatestValue, latestValue } from "./device-view.ts";
import { filterOf, filterParameters, readTwin } from "./devices.ts";
import type { FleetStatistics } from "./fleet-statistics.ts";
import { maxPoints } from "./history/limits.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import {
  answer,
  deviceParameter,
  iso,
  noParameters,
  paging,
  parameters,
  plainText,
  problems,
  Timestamp,
} from "./route.ts";
import { StatsView, statsView } from "./stats.ts";
import { BucketSeries, RawSeries, readSeries } from "./telemetry.ts";

const tags = ["Earlier paths"];

const Devices = z
  .object({ devices: z.array(DeviceView), total: z.int(), next: z.string().nullable() })
  .openapi("ApiDevices", { example: { devices: [], total: 0, next: null } });

const Latest = z
  .object({ device_id: z.string(), timestamp: Timestamp.nullable(), values: z.record(z.string(), LatestValue) })
  .openapi("ApiLatest", { example: { device_id: "pump-4", timestamp: "2026-11-21T12:00:00.000Z", values: {} } });

const points = z.union([
  RawSeries.pick({ kind: true, points: true }),
  BucketSeries.pick({ kind: true, bucketSeconds: true, points: true }),
]);

const History = z
  .object({ device_id: z.string(), hours: z.number(), metrics: z.record(z.string(), points) })
  .openapi("ApiHistory", {
    example: {
      device_id: "pump-4",
      hours: 24,
      metrics: { temperature: { kind: "raw", points: [{ ts: "2026-11-21T11:30:00.000Z", value: 21.5 }] } },
    },
  });

/** A year, the most that one history covers. */
const maxHours = 8_784;
/** Metrics that one history without a chosen metric covers, and points that they share. */
const maxMetrics = 50;

const listDevices = createRoute({
  method: "get",
  path: "/api/devices",
  tags,
  summary: "List devices",
  request: { query: parameters({ ...filterParameters, ...paging }) },
  responses: { 200: answer("A page of devices", Devices), ...problems() },
});

const latest = createRoute({
  method: "get",
  path: "/api/device/{id}/latest",
  tags,
  summary: "A device's latest values",
  request: { params: deviceParameter, query: noParameters },
  responses: { 200: answer("By metric", Latest), ...problems(404) },
});

const history = createRoute({
  method: "get",
  path: "/api/device/{id}/history",
  tags,
  summary: "A device's recent readings, of one metric or of all",
  request: {
    params: deviceParameter,
    query: parameters({
      hours: z
        .string()
        .regex(/^\d{1,4}(\.\d{1,6})?$/, "needs a number of hours")
        .transform(Number)
        .pipe(z.number().positive().max(maxHours))
        .default(24)
        .openapi({ type: "number", example: 24 }),
      metric: plainText(128).min(1).optional().openapi({ example: "temperature" }),
    }),
  },
  responses: { 200: answer("By metric", History), ...problems() },
});

const dashboardStats = createRoute({
  method: "get",
  path: "/api/dashboard/stats",
  tags,
  summary: "The fleet in numbers",
  request: { query: noParameters },
  responses: { 200: answer("The numbers", StatsView), ...problems() },
});

export function serveEarlierPaths(app: OpenAPIHono<ApiEnv>, parts: ApiParts, statistics: FleetStatistics): void {
  const { fleet, history: found, now } = parts;

  app.openapi(listDevices, async (c) => {
    const { cursor = null, limit, ...rest } = c.req.valid("query");
    const filter = filterOf(rest);
    const [page, total] = await Promise.all([fleet.devices(filter, { cursor, limit }), fleet.count(filter)]);
    return c.json({ devices: page.items.map(deviceOfSummary), total, next: page.next }, 200);
  });

  app.openapi(latest, async (c) => {
    const { id, metrics } = await readTwin(parts, c.req.valid("param").id);
    const newestMs = entries(metrics).reduce((newest, [, { tsMs }]) => Math.max(newest, tsMs), -1);
    const values = Object.fromEntries(entries(metrics).map(([metric, state]) => [metric, latestValue(state)]));
    return c.json({ device_id: id, timestamp: newestMs < 0 ? null : iso(newestMs), values }, 200);
  });

  app.openapi(history, async (c) => {
    const { id: device } = c.req.valid("param");
    const { hours, metric } = c.req.valid("query");
    const toMs = now() + 1;
    const fromMs = Math.max(0, toMs - Math.round(hours * 3_600_000));
    const names = metric === undefined ? (await found.metrics(device)).slice(0, maxMetrics) : [metric];
    const share = Math.max(1, Math.floor(maxPoints / Math.max(1, names.length)));
    const metrics: z.infer<typeof History>["metrics"] = Object.create(null);
    for (const name of names) {
      metrics[name] = await readSeries(parts, { device, metric: name, fromMs, toMs }, share, c.req.raw.signal);
    }
    return c.json({ device_id: device, hours, metrics }, 200);
  });

  app.openapi(dashboardStats, async (c) => c.json(statsView(await statistics.read()), 200));
}
