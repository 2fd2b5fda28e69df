/** Exports: a query's rows as files for analysts, once or on a schedule. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { deviceIdPattern } from "../core/device/registration.ts";
import type { ExportJob, ExportRun } from "../ports/exports/port.ts";
import type { ObjectStore } from "../ports/object-store/port.ts";
import { deleteFiles, folderOf } from "./exports/files.ts";
import { nextTime, scheduleFault } from "./exports/schedule.ts";
import { streamedBody } from "./history/body.ts";
import { contentTypes, tableFormats } from "./history/formats/format.ts";
import { maxSeries } from "./history/limits.ts";
import { aggregates } from "./history/query.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem } from "./problem.ts";
import { askedRange, Interval, TimeZone } from "./query.ts";
import {
  answer,
  body,
  iso,
  Moment,
  noParameters,
  pageOf,
  paging,
  parameters,
  plainText,
  problems,
  Timestamp,
} from "./route.ts";

const tags = ["Exports"];
const maxJobs = 1_000;
/** Of a download, per step. */
const chunkBytes = 1_048_576;

const periods = ["hour", "day", "week", "month"] as const;
const deviceId = z.string().regex(deviceIdPattern, "a device id is 1 to 128 of a-z A-Z 0-9 : _ -");
const oneOrMore = <Each extends z.ZodType<string>>(each: Each) =>
  z.union([
    each.transform((one) => [one]),
    z
      .array(each)
      .min(1)
      .max(10 * maxSeries),
  ]);

const ExportRequest = z
  .strictObject({
    device_id: oneOrMore(deviceId).openapi({ description: "One or several" }),
    metric: oneOrMore(plainText(128).min(1)).openapi({ description: "One or several" }),
    start: Moment.optional().openapi({ description: "Inclusive; by default a day before `end`" }),
    end: Moment.optional().openapi({ description: "Exclusive; by default now" }),
    last: z.enum(periods).optional().openapi({
      description: "Instead of start and end: the whole hour, day, week or month before the run, in the time zone",
    }),
    aggregate: z.enum(aggregates).optional(),
    interval: Interval.optional(),
    timezone: TimeZone.default("UTC"),
    format: z.enum(tableFormats).default("parquet"),
    schedule: z.string().max(100).optional().openapi({
      description: "Cron expression of five fields, in the time zone; takes `last`. Absent: once, now",
      example: "0 6 * * *",
    }),
  })
  .openapi("ExportRequest", {
    example: {
      device_id: ["pump-4"],
      metric: ["temperature"],
      last: "day",
      schedule: "0 6 * * *",
      timezone: "Europe/Berlin",
    },
  });

const RunView = z.object({
  for: Timestamp.openapi({ description: "The time for which it is meant" }),
  attempt: z.int(),
  state: z.enum(["running", "done", "failed"]),
  startedAt: Timestamp,
  endedAt: Timestamp.nullable(),
  rows: z.int(),
  files: z.array(z.object({ name: z.string(), key: z.string(), rows: z.int(), bytes: z.int(), download: z.string() })),
  error: z.string().nullable(),
});

const ExportView = z
  .object({
    id: z.string(),
    state: z.enum(["waiting", "running", "done", "failed", "scheduled"]),
    device_id: z.array(z.string()),
    metric: z.array(z.string()),
    start: Timestamp.nullable(),
    end: Timestamp.nullable(),
    last: z.enum(periods).nullable(),
    aggregate: z.enum(aggregates).nullable(),
    interval: z.string().nullable(),
    timezone: z.string(),
    format: z.enum(tableFormats),
    schedule: z.string().nullable(),
    createdAt: Timestamp,
    nextRunAt: Timestamp.nullable(),
    place: z.string().openapi({ description: "Where the files are: a bucket, or a folder" }),
    runs: z.array(RunView).openapi({ description: "Newest first" }),
  })
  .openapi("Export", {
    example: {
      id: "0d9e7e9c-6d0b-4f3c-9a51-0f4a1c1c5b7e",
      state: "done",
      device_id: ["pump-4"],
      metric: ["temperature"],
      start: "2026-11-20T00:00:00.000Z",
      end: "2026-11-21T00:00:00.000Z",
      ...{ last: null, aggregate: null, interval: null, timezone: "UTC", format: "parquet", schedule: null },
      createdAt: "2026-11-21T12:00:00.000Z",
      nextRunAt: null,
      place: "s3://telemetry",
      runs: [
        {
          ...{ for: "2026-11-21T12:00:00.000Z", attempt: 1, state: "done" },
          ...{ startedAt: "2026-11-21T12:00:00.000Z", endedAt: "2026-11-21T12:00:02.000Z", rows: 86_400, error: null },
          files: [
            {
              name: "20261121T120000Z-1-00001.parquet",
              key: "exports/0d9e7e9c-6d0b-4f3c-9a51-0f4a1c1c5b7e/20261121T120000Z-1-00001.parquet",
              ...{ rows: 86_400, bytes: 310_000 },
              download: "/v1/exports/0d9e7e9c-6d0b-4f3c-9a51-0f4a1c1c5b7e/files/20261121T120000Z-1-00001.parquet",
            },
          ],
        },
      ],
    },
  });

const exportParameter = z.object({
  id: z
    .string()
    .max(64)
    .openapi({ param: { name: "id", in: "path" }, description: "Id of the export" }),
});

const create = createRoute({
  method: "post",
  path: "/v1/exports",
  tags,
  summary: "Have a query's rows written to files, once or on a schedule",
  request: { query: noParameters, body: body(ExportRequest) },
  responses: { 201: answer("The export; its first run begins within seconds", ExportView), ...problems(409) },
});

const list = createRoute({
  method: "get",
  path: "/v1/exports",
  tags,
  summary: "List exports, newest first",
  request: { query: parameters(paging) },
  responses: {
    200: answer("A page of exports", pageOf("ExportPage", ExportView, { id: "…", state: "done" })),
    ...problems(),
  },
});

const read = createRoute({
  method: "get",
  path: "/v1/exports/{id}",
  tags,
  summary: "How an export stands: its runs, with files, rows and errors",
  request: { params: exportParameter, query: noParameters },
  responses: { 200: answer("The export", ExportView), ...problems(404) },
});

const remove = createRoute({
  method: "delete",
  path: "/v1/exports/{id}",
  tags,
  summary: "Delete an export with its files",
  request: { params: exportParameter, query: noParameters },
  responses: { 204: { description: "It is gone" }, ...problems(404) },
});

const download = createRoute({
  method: "get",
  path: "/v1/exports/{id}/files/{name}",
  tags,
  summary: "Download a file of an export",
  request: {
    params: exportParameter.extend({
      name: z
        .string()
        .regex(/^\w{1,40}-\d{1,4}-\d{1,8}\.\w{1,10}$/)
        .openapi({ param: { name: "name", in: "path" }, description: "Name of the file" }),
    }),
    query: noParameters,
  },
  responses: {
    200: {
      description: "The file",
      content: { "application/octet-stream": { schema: z.string().openapi({ format: "binary", example: "…" }) } },
    },
    ...problems(404),
  },
});

export function serveExports(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  const { now, newId } = parts;

  app.openapi(create, async (c) => {
    const exports = place(parts);
    const asked = c.req.valid("json");
    const atMs = now();
    if (asked.last !== undefined && (asked.start ?? asked.end) !== undefined) {
      throw new Problem("invalid-request", "Give either `last`, or `start` and `end`.");
    }
    if (asked.schedule !== undefined && asked.last === undefined) {
      throw new Problem("invalid-request", 'A schedule takes a range that moves with it: `last`, such as "day".');
    }
    if (asked.aggregate !== undefined && asked.interval === undefined) {
      throw new Problem("invalid-request", 'An aggregate needs an `interval`, such as "1h".');
    }
    const fault = asked.schedule === undefined ? null : scheduleFault(asked.schedule);
    if (fault !== null) throw new Problem("invalid-request", `body/schedule: ${fault}`);
    if ((await exports.jobs.count()) >= maxJobs) {
      throw new Problem("conflict", `There are ${maxJobs} exports already. Delete some that are no longer needed.`);
    }
    const dueMs = asked.schedule === undefined ? atMs : nextTime(asked.schedule, asked.timezone, atMs);
    if (dueMs === null)
      throw new Problem("invalid-request", `body/schedule: "${asked.schedule}" names no time to come.`);
    const id = newId();
    await exports.jobs.create({
      id,
      spec: {
        devices: [...new Set(asked.device_id)],
        metrics: [...new Set(asked.metric)],
        range:
          asked.last === undefined
            ? { kind: "fixed", ...askedRange(asked, atMs) }
            : { kind: "last", period: asked.last },
        interval: asked.interval?.text ?? null,
        aggregate: asked.aggregate ?? null,
        timeZone: asked.timezone,
        format: asked.format,
        schedule: asked.schedule ?? null,
      },
      createdAtMs: atMs,
      due: { atMs: dueMs, forMs: dueMs },
    });
    exports.wake();
    return c.json(view((await exports.jobs.read(id))!, exports.files), 201);
  });

  app.openapi(list, async (c) => {
    const exports = place(parts);
    const { cursor = null, limit } = c.req.valid("query");
    const found = await exports.jobs.list({ after: cursor, limit });
    const next = found.length < limit ? null : (found.at(-1)?.id ?? null);
    return c.json({ items: found.map((job) => view(job, exports.files)), next }, 200);
  });

  app.openapi(read, async (c) => {
    const exports = place(parts);
    const { id } = c.req.valid("param");
    return c.json(view((await exports.jobs.read(id)) ?? missing(id), exports.files), 200);
  });

  app.openapi(remove, async (c) => {
    const exports = place(parts);
    const { id } = c.req.valid("param");
    if (!(await exports.jobs.remove(id))) missing(id);
    await deleteFiles(exports.files, id);
    return c.body(null, 204);
  });

  app.openapi(download, async (c) => {
    const { jobs, files } = place(parts);
    const { id, name } = c.req.valid("param");
    const job = (await jobs.read(id)) ?? missing(id);
    const key = folderOf(id) + name;
    const known = filesOf(job).some((file) => file.key === key);
    const bytes = known ? await files.size(key) : null;
    if (bytes === null) throw new Problem("not-found", `The export ${id} has no file ${name}.`);
    const stream = await streamedBody(chunksOf(files, key, bytes), new AbortController(), (error) => {
      parts.log.error({ err: error, key }, "a download was cut off");
    });
    return c.body(stream, 200, {
      "content-type": contentTypes[job.spec.format],
      "content-length": String(bytes),
      "content-disposition": `attachment; filename="${name}"`,
    }) as never;
  });
}

/** @throws Problem where nobody has said where files may go */
function place({ exports }: ApiParts): NonNullable<ApiParts["exports"]> {
  if (exports !== null) return exports;
  throw new Problem("unavailable", "There is no place for exports: give the archive a folder or a bucket (ARCHIVE).");
}

function missing(id: string): never {
  throw new Problem("not-found", `There is no export ${JSON.stringify(id)}.`);
}

async function* chunksOf(files: ObjectStore, key: string, bytes: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes; from += chunkBytes) {
    yield await files.getRange(key, from, Math.min(bytes, from + chunkBytes));
  }
}

function filesOf({ runs }: ExportJob) {
  return runs.flatMap(({ ended }) => (ended?.kind === "done" ? ended.files : []));
}

function view(job: ExportJob, store: ObjectStore): z.infer<typeof ExportView> {
  const { id, spec, createdAtMs, due, runs } = job;
  const { range } = spec;
  return {
    id,
    state: stateOf(job),
    device_id: [...spec.devices],
    metric: [...spec.metrics],
    start: range.kind === "fixed" ? iso(range.fromMs) : null,
    end: range.kind === "fixed" ? iso(range.toMs) : null,
    last: range.kind === "last" ? range.period : null,
    ...{ aggregate: spec.aggregate, interval: spec.interval, timezone: spec.timeZone, format: spec.format },
    schedule: spec.schedule,
    createdAt: iso(createdAtMs),
    nextRunAt: due === null ? null : iso(due.atMs),
    place: store.place,
    runs: runs.map((run) => runView(id, run)),
  };
}

function stateOf({ spec, due, runs }: ExportJob): z.infer<typeof ExportView>["state"] {
  const [newest] = runs;
  if (newest !== undefined && newest.ended === null) return "running";
  if (due !== null) return spec.schedule === null ? "waiting" : "scheduled";
  return newest?.ended?.kind ?? "waiting";
}

function runView(id: string, { forMs, attempt, startedAtMs, ended }: ExportRun): z.infer<typeof RunView> {
  const files = ended?.kind === "done" ? ended.files : [];
  return {
    for: iso(forMs),
    attempt,
    state: ended?.kind ?? "running",
    startedAt: iso(startedAtMs),
    endedAt: ended === null ? null : iso(ended.atMs),
    rows: files.reduce((sum, { rows }) => sum + rows, 0),
    files: files.map((file) => {
      const name = file.key.slice(folderOf(id).length);
      return { name, ...file, download: `/v1/exports/${id}/files/${name}` };
    }),
    error: ended?.kind === "failed" ? ended.error : null,
  };
}
