/** What devices measured: send it, and read it back as points or as buckets. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { SeriesRange } from "../ports/time-series/port.ts";
import { RawPoint } from "./history/answer.ts";
import { inTime, maxPoints } from "./history/limits.ts";
import type { HistorySeries } from "./history/query.ts";
import { rawPoint } from "./history/view.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem, unknownDevice } from "./problem.ts";
import { jsonBytes } from "./request-body.ts";
import {
  answer,
  deviceParameter,
  iso,
  Moment,
  noParameters,
  parameters,
  plainText,
  problems,
  rawBody,
  Timestamp,
  wholeNumber,
} from "./route.ts";

const dayMs = 86_400_000;

const Telemetry = z
  .object({
    ts: z.union([z.int(), z.iso.datetime()]).optional(),
    seq: z.int().optional(),
    boot: z.union([z.string(), z.int()]).optional(),
    id: z.string().optional(),
    readings: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])),
    tags: z.record(z.string(), z.string()).optional(),
  })
  .openapi("Telemetry", {
    example: { ts: 1795262400000, seq: 17, readings: { temperature: 21.5, open: true, mode: "eco" } },
  });

const TelemetryPayload = z.union([Telemetry, z.array(Telemetry)]).openapi("TelemetryPayload", {
  description: "One message, or an array of them, as over MQTT on devices/{id}/telemetry",
  example: { ts: 1795262400000, seq: 17, readings: { temperature: 21.5, open: true, mode: "eco" } },
});

const Counted = z
  .object({
    accepted: z.int(),
    duplicates: z.int().openapi({ description: "Messages that the twin had seen before" }),
    refused: z.int().openapi({ description: "Messages that are now dead letters, each with its reason" }),
  })
  .openapi("Counted", { example: { accepted: 1, duplicates: 0, refused: 0 } });

const range = {
  device: z.string(),
  metric: z.string(),
  from: Timestamp,
  to: Timestamp,
};

export const RawSeries = z
  .object({
    ...range,
    kind: z.literal("raw"),
    points: z.array(RawPoint),
  })
  .openapi("RawSeries", {
    example: {
      device: "pump-4",
      metric: "temperature",
      from: "2026-11-21T11:00:00.000Z",
      to: "2026-11-21T12:00:00.000Z",
      kind: "raw",
      points: [{ ts: "2026-11-21T11:30:00.000Z", value: 21.5 }],
    },
  });

export const BucketSeries = z
  .object({
    ...range,
    kind: z.literal("buckets"),
    bucketSeconds: z.number(),
    points: z.array(z.object({ ts: Timestamp, count: z.int(), avg: z.number(), min: z.number(), max: z.number() })),
  })
  .openapi("BucketSeries", {
    example: {
      device: "pump-4",
      metric: "temperature",
      from: "2026-11-14T12:00:00.000Z",
      to: "2026-11-21T12:00:00.000Z",
      kind: "buckets",
      bucketSeconds: 60,
      points: [{ ts: "2026-11-21T11:30:00.000Z", count: 60, avg: 21.5, min: 21.2, max: 21.9 }],
    },
  });

export const Series = z.union([RawSeries, BucketSeries]);

const Metrics = z
  .object({ metrics: z.array(z.string()) })
  .openapi("Metrics", { example: { metrics: ["temperature"] } });

const sendTelemetry = createRoute({
  method: "post",
  path: "/v1/devices/{id}/telemetry",
  tags: ["Telemetry"],
  summary: "Send telemetry as the device; answered when it is durable",
  request: { params: deviceParameter, query: noParameters, body: rawBody("TelemetryPayload") },
  responses: { 200: answer("How many messages were new, known, refused", Counted), ...problems(404, 413) },
});

const readTelemetry = createRoute({
  method: "get",
  path: "/v1/devices/{id}/telemetry",
  tags: ["Telemetry"],
  summary: "A metric's readings in a range: raw if they are few enough, else in buckets",
  request: {
    params: deviceParameter,
    query: parameters({
      metric: plainText(128).min(1).openapi({ example: "temperature" }),
      from: Moment.optional().openapi({ description: "Inclusive; by default a day before `to`" }),
      to: Moment.optional().openapi({ description: "Exclusive; by default now" }),
      maxPoints: wholeNumber(1, maxPoints).default(1_000).openapi({ example: 1_000 }),
    }),
  },
  responses: { 200: answer("The series, oldest first", Series), ...problems() },
});

const listMetrics = createRoute({
  method: "get",
  path: "/v1/devices/{id}/metrics",
  tags: ["Telemetry"],
  summary: "The metrics that a device has sent",
  request: { params: deviceParameter, query: noParameters },
  responses: { 200: answer("Their names, sorted", Metrics), ...problems() },
});

export function serveTelemetry(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  app.openAPIRegistry.register("TelemetryPayload", TelemetryPayload);

  app.openapi(sendTelemetry, async (c) => {
    const { id } = c.req.valid("param");
    return c.json(await takeTelemetry(parts, id, await jsonBytes(c)), 200);
  });

  app.openapi(readTelemetry, async (c) => {
    const { id: device } = c.req.valid("param");
    const { metric, maxPoints, ...query } = c.req.valid("query");
    const { fromMs, toMs } = rangeOf(query, parts.now());
    const range = { device, metric, fromMs, toMs };
    const series = await readSeries(parts, range, maxPoints, c.req.raw.signal);
    return c.json({ device, metric, from: iso(fromMs), to: iso(toMs), ...series }, 200);
  });

  app.openapi(listMetrics, async (c) => {
    return c.json({ metrics: await parts.history.metrics(c.req.valid("param").id) }, 200);
  });
}

/** Gives a payload to the device's twin, as if it had come over MQTT. */
export async function takeTelemetry(
  { host }: ApiParts,
  device: string,
  payload: Uint8Array,
): Promise<z.infer<typeof Counted>> {
  const topic = `devices/${device}/telemetry`;
  const reply = await host.ask(device, { kind: "telemetry", session: null, topic, payload });
  switch (reply.kind) {
    case "counted":
      return { accepted: reply.accepted, duplicates: reply.duplicates, refused: reply.refused };
    case "unknownDevice":
      throw unknownDevice(device);
    case "refused":
      throw new Problem("invalid-request", reply.detail);
    default:
      throw new Error(`The twin of ${device} answered telemetry with ${reply.kind}.`);
  }
}

/** A range whose ends may be missing: until now, from a day before that. `names`: what the caller calls them. */
export function rangeOf(
  { from, to }: { from?: number | undefined; to?: number | undefined },
  nowMs: number,
  names = { from: "from", to: "to" },
): { fromMs: number; toMs: number } {
  const toMs = to ?? nowMs + 1; // what has come in this very millisecond is in
  const fromMs = from ?? Math.max(0, toMs - dayMs);
  if (fromMs < toMs) return { fromMs, toMs };
  throw new Problem(
    "invalid-request",
    `The range is empty: ${names.from} (${iso(fromMs)}) has to be before ${names.to} (${iso(toMs)}).`,
  );
}

type Kindful<Union> = Union extends unknown ? Omit<Union, keyof typeof range> : never;

/** Readings where they are few enough, else buckets. */
export async function readSeries(
  { history }: ApiParts,
  { device, metric, fromMs, toMs }: SeriesRange,
  maxPoints: number,
  signal: AbortSignal,
): Promise<Kindful<z.infer<typeof Series>>> {
  const query = { devices: [device], metrics: [metric], fromMs, toMs, maxPoints, timeZone: "UTC" };
  const whole = { ...query, aggregate: null, interval: null, downsample: "auto" } as const;
  const [found] = await inTime(signal, (both) => history.query(whole, both));
  return flatView(found!);
}

function flatView(series: HistorySeries): Kindful<z.infer<typeof Series>> {
  if (series.kind === "raw") return { kind: "raw", points: series.readings.map(rawPoint) };
  return {
    kind: "buckets",
    bucketSeconds: (series.widthMs ?? 0) / 1_000,
    points: series.buckets.map(({ tsMs, count, mean, min, max }) => ({ ts: iso(tsMs), count, avg: mean, min, max })),
  };
}
