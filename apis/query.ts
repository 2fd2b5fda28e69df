/** The history: metrics of devices in a range, from wherever it is kept, in the form and as fine as asked for. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { deviceIdPattern } from "../core/device/registration.ts";
import { type IntervalSpec, parseInterval } from "../core/history/intervals.ts";
import { UnknownTimeZone, zoneOf } from "../core/history/time-zone.ts";
import { QueryAnswer } from "./history/answer.ts";
import { streamedBody } from "./history/body.ts";
import {
  acceptedFormat,
  contentTypes,
  encoded,
  type Format,
  formats,
  type TableFormat,
} from "./history/formats/format.ts";
import type { TableKind } from "./history/formats/table.ts";
import { inTime, maxPoints, maxPointsOfAll, maxSeries } from "./history/limits.ts";
import {
  aggregates,
  downsamplings,
  type HistoryBatch,
  type HistoryQuery,
  type HistorySeries,
} from "./history/query.ts";
import { batchesOf, seriesView } from "./history/view.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem, unknownDevice } from "./problem.ts";
import { iso, Moment, parameters, plainText, problems, wholeNumber } from "./route.ts";
import { rangeOf } from "./telemetry.ts";

/** Streams that run at a time; each holds a few thousand readings. */
const maxStreams = 8;

/** One or several, with commas between them or repeated. */
function severalOf(example: string, each: z.ZodString | ReturnType<typeof plainText>, what: string) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((given) => [...new Set([given].flat().flatMap((text) => text.split(",")))])
    .pipe(
      z
        .array(each)
        .min(1)
        .max(10 * maxSeries),
    )
    .openapi({ type: "string", example, description: `${what}; several with commas between them, or repeated` });
}

/** "5m", "1d"; gives what it means. */
export const Interval = z
  .string()
  .max(20)
  .transform((text, context): { text: string; spec: IntervalSpec } => {
    const spec = parseInterval(text);
    if (spec !== null) return { text, spec };
    context.addIssue({
      code: "custom",
      message: `${JSON.stringify(text)} is no interval: give a number and ms, s, m, h, d, w or mo, such as 5m or 1d`,
    });
    return z.NEVER;
  })
  .openapi({
    type: "string",
    example: "5m",
    description: "A number and ms, s, m, h, d, w (from Monday) or mo (months)",
  });

/** An IANA name. */
export const TimeZone = z
  .string()
  .max(64)
  .transform((name, context) => {
    try {
      return zoneOf(name).name;
    } catch (error) {
      if (!(error instanceof UnknownTimeZone)) throw error;
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    }
  })
  .openapi({ type: "string", example: "Europe/Berlin", description: "In which days, weeks and months begin (IANA)" });

export const DeviceIds = severalOf(
  "pump-4,pump-5",
  z.string().regex(deviceIdPattern, "a device id is 1 to 128 of a-z A-Z 0-9 : _ -"),
  "Device id",
);
export const MetricNames = severalOf("temperature", plainText(128).min(1), "Metric");

const table = (example: string) => ({ schema: z.string().openapi({ example }) });
const bytes = { schema: z.string().openapi({ format: "binary", example: "…" }) };

const route = createRoute({
  method: "get",
  path: "/v1/query",
  tags: ["Telemetry"],
  summary: "Metrics of devices in a range: readings or intervals, from the last second to years back",
  description:
    "Readings where they are no more than `max_points`, else the least, largest and average by interval; `sources` and " +
    "`downsampling` say what was done. NDJSON, CSV, Arrow and Parquet without `max_points` give all readings (with " +
    "`interval`: all intervals) as a stream, however many. See docs/query.md.",
  request: {
    query: parameters({
      device_id: DeviceIds,
      metric: MetricNames,
      start: Moment.optional().openapi({ description: "Inclusive; by default a day before `end`" }),
      end: Moment.optional().openapi({ description: "Exclusive; by default now" }),
      aggregate: z
        .enum(aggregates)
        .optional()
        .openapi({ description: "What `value` of an interval is; asks for intervals. avg by default" }),
      interval: Interval.optional(),
      max_points: wholeNumber(1, maxPoints)
        .optional()
        .openapi({ description: `Most points of a series; ${maxPointsOfAll} of all of them together`, example: 1_000 }),
      downsample: z
        .enum(downsamplings)
        .optional()
        .openapi({
          description:
            "How more than max_points become fewer: lttb keeps the readings that shape the line, minmax (auto) gives the least, " +
            "largest and average by interval, none refuses",
        }),
      timezone: TimeZone.default("UTC"),
      format: z.enum(formats).optional().openapi({ description: "Wins over the Accept header; json by default" }),
    }),
  },
  responses: {
    200: {
      description: "A series for each device and metric, in the order in which they were asked for, each oldest first",
      content: {
        "application/json": { schema: QueryAnswer },
        [contentTypes.ndjson]: table(
          '{"device_id":"pump-4","metric":"temperature","ts":"2026-11-21T11:30:00.000Z","value":21.5}\n',
        ),
        [contentTypes.csv]: table(
          "device_id,metric,ts,value,flags\r\npump-4,temperature,2026-11-21T11:30:00.000Z,21.5,\r\n",
        ),
        [contentTypes.arrow]: bytes,
        [contentTypes.parquet]: bytes,
      },
    },
    ...problems(404, 429),
  },
});

export function serveQuery(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  const { history, now } = parts;
  let streams = 0;

  app.openapi(route, async (c) => {
    const asked = c.req.valid("query");
    const { fromMs, toMs } = askedRange({ start: asked.start, end: asked.end }, now());
    const format: Format = asked.format ?? acceptedFormat(c.req.header("accept"));
    const series = asked.device_id.length * asked.metric.length;
    const query: HistoryQuery = {
      ...{ devices: asked.device_id, metrics: asked.metric, fromMs, toMs, timeZone: asked.timezone },
      aggregate: asked.aggregate ?? null,
      interval: asked.interval?.spec ?? null,
      maxPoints: asked.max_points ?? Math.max(1, Math.min(maxPoints, Math.floor(maxPointsOfAll / series))),
      downsample: asked.downsample ?? "auto",
    };
    const fits = asked.aggregate !== undefined && asked.interval === undefined;
    if (format !== "json" && asked.max_points === undefined && asked.downsample === undefined && !fits) {
      return (await streamed(c, query, format)) as never;
    }
    const client = c.req.raw.signal;
    const found = await inTime(client, (signal) => history.query(query, signal)).catch((error: unknown) => {
      if (client.aborted) return null;
      throw error;
    });
    // Nobody reads it: a status for our own eyes, as nginx has it.
    if (found === null) return new Response(null, { status: 499 }) as never;
    await checkKnown(query, found, client);
    if (format !== "json") {
      const { kind, batches } = batchesOf(found);
      return (await sent(c, format, inOrder(batches), tableOf(kind, query), new AbortController())) as never;
    }
    const answer = {
      start: iso(fromMs),
      end: iso(toMs),
      timezone: asked.timezone,
      aggregate: query.aggregate,
      interval: asked.interval?.text ?? null,
      series: found.map((one) => seriesView(one, query.aggregate ?? "avg")),
    };
    return c.json(answer, 200);
  });

  async function streamed(c: Context, query: HistoryQuery, format: TableFormat): Promise<Response> {
    if (query.devices.length * query.metrics.length > 10 * maxSeries) {
      throw new Problem(
        "query-too-large",
        `One query takes ${10 * maxSeries} series; make an export (POST /v1/exports).`,
      );
    }
    await checkKnown(query, [], c.req.raw.signal);
    if (streams >= maxStreams) {
      throw new Problem("too-many-requests", `${maxStreams} streams are under way. Try again when one has ended.`, {
        headers: { "retry-after": "5" },
      });
    }
    const stop = new AbortController();
    const signal = AbortSignal.any([c.req.raw.signal, stop.signal]);
    streams += 1;
    stop.signal.addEventListener("abort", () => {
      streams -= 1;
    });
    try {
      const table = tableOf(query.interval === null ? "raw" : "intervals", query);
      return await sent(c, format, history.stream(query, signal), table, stop);
    } catch (error) {
      stop.abort();
      throw error;
    }
  }

  async function sent(
    c: Context,
    format: TableFormat,
    batches: AsyncIterable<HistoryBatch>,
    table: TableKind,
    stop: AbortController,
  ): Promise<Response> {
    const body = await streamedBody(encoded(format, batches, table), stop, (error) => {
      parts.log.error({ err: error, route: "/v1/query" }, "a stream of the history was cut off");
    });
    const charset = format === "csv" ? "; charset=utf-8" : "";
    return c.body(body, 200, {
      "content-type": contentTypes[format] + charset,
      "content-disposition": `attachment; filename="history.${format}"`,
    });
  }

  /** Empty is an answer only where there is such a device, and such a metric. */
  async function checkKnown(
    { devices, metrics }: HistoryQuery,
    found: readonly HistorySeries[],
    client: AbortSignal,
  ): Promise<void> {
    const has = (name: "device" | "metric", value: string) =>
      found.some((series) => series[name] === value && series.sources.length > 0);
    const [silent, missing] = [
      devices.filter((id) => !has("device", id)),
      metrics.filter((name) => !has("metric", name)),
    ];
    if (silent.length === 0 && missing.length === 0) return;
    const known = new Set<string>();
    for (const device of missing.length === 0 ? silent : devices) {
      const names = await history.metrics(device, client);
      for (const name of names) known.add(name);
      if (names.length === 0 && (await parts.fleet.device(device)) === null) throw unknownDevice(device);
    }
    const unknown = missing.find((name) => !known.has(name));
    if (unknown === undefined) return;
    const some = [...known].slice(0, 20).join(", ");
    const detail = some === "" ? "Nothing was measured yet." : `There are ${some}.`;
    throw new Problem(
      "unknown-metric",
      `None of these devices has ever sent a metric ${JSON.stringify(unknown)}. ${detail}`,
    );
  }
}

/** As `rangeOf`, under the names that queries have for it. */
export function askedRange(
  { start, end }: { start?: number | undefined; end?: number | undefined },
  nowMs: number,
): { fromMs: number; toMs: number } {
  return rangeOf({ from: start, to: end }, nowMs, { from: "start", to: "end" });
}

export function tableOf(kind: "raw" | "intervals", query: Pick<HistoryQuery, "aggregate">): TableKind {
  return kind === "raw" ? { kind } : { kind, aggregate: query.aggregate ?? "avg" };
}

async function* inOrder<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
