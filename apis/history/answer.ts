/** How an answer of `GET /v1/query` looks in JSON: the one shape for one series and for many. */
import { z } from "@hono/zod-openapi";
import { Timestamp } from "../route.ts";
import { aggregates } from "./query.ts";

const sources = ["raw", "minute", "hour", "archive"] as const;

export const RawPoint = z
  .object({
    ts: Timestamp,
    value: z.union([z.number(), z.boolean(), z.string()]),
    flags: z.array(z.string()).optional().openapi({ description: "Quality rules that have flagged it; absent: none" }),
  })
  .openapi("RawPoint", { example: { ts: "2026-11-21T11:30:00.000Z", value: 131.5, flags: ["range"] } });

export const IntervalPoint = z
  .object({
    ts: Timestamp.openapi({ description: "Where the interval begins; intervals without readings are left out" }),
    value: z.number().openapi({ description: "The aggregate that was asked for; the average by default" }),
    count: z.int(),
    avg: z.number(),
    min: z.number(),
    max: z.number(),
    stddev: z.number().openapi({ description: "Of the population" }),
    flagged: z.int().openapi({ description: "Readings among them that a quality rule has flagged" }),
  })
  .openapi("IntervalPoint", {
    example: {
      ts: "2026-11-21T11:30:00.000Z",
      value: 21.5,
      ...{ count: 60, avg: 21.5, min: 21.2, max: 21.9, stddev: 0.2, flagged: 0 },
    },
  });

const aboutSeries = {
  device_id: z.string(),
  metric: z.string(),
  sources: z.array(z.enum(sources)).openapi({
    description:
      "What the answer was made from: readings, aggregates by minute or hour, the archive; [] where nothing is",
  }),
  downsampling: z
    .object({ method: z.enum(["lttb", "minmax", "newest"]), from: z.int(), to: z.int() })
    .nullable()
    .openapi({
      description:
        "How many readings (or intervals) became how many points, and how; `newest` is for text; null: all are there",
    }),
  flagged: z.int().openapi({ description: "Readings in the range that a quality rule has flagged" }),
};

/** Readings as they came, or those that LTTB chose. */
export const RawSeriesAnswer = z
  .object({ ...aboutSeries, kind: z.literal("raw"), points: z.array(RawPoint) })
  .openapi("QueriedReadings", {
    example: {
      device_id: "pump-4",
      metric: "temperature",
      sources: ["raw"],
      downsampling: null,
      flagged: 1,
      kind: "raw",
      points: [{ ts: "2026-11-21T11:30:00.000Z", value: 131.5, flags: ["range"] }],
    },
  });

export const IntervalSeriesAnswer = z
  .object({
    ...aboutSeries,
    kind: z.literal("intervals"),
    interval_seconds: z.number().nullable().openapi({ description: "Width; null: months" }),
    points: z.array(IntervalPoint),
  })
  .openapi("QueriedIntervals", {
    example: {
      device_id: "pump-4",
      metric: "temperature",
      sources: ["hour", "minute", "raw"],
      downsampling: { method: "minmax", from: 604_800, to: 1_008 },
      flagged: 0,
      kind: "intervals",
      interval_seconds: 600,
      points: [
        {
          ts: "2026-11-21T11:30:00.000Z",
          value: 21.5,
          ...{ count: 600, avg: 21.5, min: 21.2, max: 21.9, stddev: 0.2, flagged: 0 },
        },
      ],
    },
  });

/** The shape of the answer, for one device and metric as for many: in the order in which they were asked for. */
export const QueryAnswer = z
  .object({
    start: Timestamp,
    end: Timestamp,
    timezone: z.string().openapi({ description: "In which days begin" }),
    aggregate: z.enum(aggregates).nullable(),
    interval: z.string().nullable().openapi({ description: "As it was asked for; null: as fits" }),
    series: z.array(z.union([RawSeriesAnswer, IntervalSeriesAnswer])),
  })
  .openapi("QueryAnswer", {
    example: {
      start: "2026-11-21T11:00:00.000Z",
      end: "2026-11-21T12:00:00.000Z",
      timezone: "UTC",
      aggregate: null,
      interval: null,
      series: [
        {
          device_id: "pump-4",
          metric: "temperature",
          sources: ["raw"],
          downsampling: null,
          flagged: 0,
          kind: "raw",
          points: [{ ts: "2026-11-21T11:30:00.000Z", value: 21.5 }],
        },
      ],
    },
  });
