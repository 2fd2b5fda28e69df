/** Registers many devices at once, from CSV or JSON lines; refused lines are reported, the others go on. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { csvLines, type ImportLine, jsonLines } from "./import-lines.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem } from "./problem.ts";
import { answer, noParameters, problems } from "./route.ts";

/** Refused lines that the report names; the others are counted only. */
const maxReported = 1_000;
/** Devices that are being registered at a time. */
const inFlight = 64;

const ImportReport = z
  .object({
    accepted: z.int(),
    refusedTotal: z.int(),
    refused: z
      .array(z.object({ line: z.int(), reason: z.string() }))
      .openapi({ description: `The first ${maxReported}, by line` }),
  })
  .openapi("ImportReport", {
    example: {
      accepted: 999,
      refusedTotal: 1,
      refused: [{ line: 17, reason: "location/latitude: Too big: expected number to be <=90" }],
    },
  });

export const importPath = "/v1/devices/import";

const importDevices = createRoute({
  method: "post",
  path: importPath,
  tags: ["Devices"],
  summary: "Register or change many devices: CSV or JSON lines",
  description:
    "CSV: the first line names the columns id, type, region, location, latitude, longitude, firmwareVersion and tag:<name>; " +
    "an empty cell leaves a field as it is. JSON lines: one object a line, as POST /v1/devices takes it. " +
    "A device that exists is changed. Lines that are refused do not keep the others from being taken.",
  request: {
    query: noParameters,
    body: {
      required: true,
      content: {
        "text/csv": {
          schema: {
            type: "string",
            example: "id,type,region,latitude,longitude,tag:line\npump-4,pump,eu-north,52.52,13.405,7\n",
          },
        },
        "application/x-ndjson": { schema: { type: "string", example: '{"id":"pump-4","type":"pump"}\n' } },
      },
    },
  },
  responses: { 200: answer("What became of the lines", ImportReport), ...problems(413, 415) },
});

export function serveRegistryImport(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  app.openapi(importDevices, async (c) => {
    const bytes = limited(
      c.req.raw.body ?? new ReadableStream({ start: (stream) => stream.close() }),
      parts.config.maxImportBytes,
    );
    return c.json(await take(linesOf(c, bytes), parts), 200);
  });
}

function linesOf(c: Context, bytes: AsyncIterable<Uint8Array>): AsyncIterable<ImportLine> {
  const type = (c.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  if (type === "text/csv") return csvLines(bytes);
  if (type === "application/x-ndjson" || type === "application/jsonl") return jsonLines(bytes);
  throw new Problem(
    "unsupported-media-type",
    "An import is text/csv or application/x-ndjson. Say which in Content-Type.",
  );
}

async function take(
  lines: AsyncIterable<ImportLine>,
  { host, config }: Pick<ApiParts, "host" | "config">,
): Promise<z.infer<typeof ImportReport>> {
  const report = { accepted: 0, refusedTotal: 0, refused: [] as { line: number; reason: string }[] };
  const refuse = (line: number, reason: string) => {
    report.refusedTotal += 1;
    if (report.refused.length < maxReported) report.refused.push({ line, reason });
  };
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | null = null;
  let count = 0;
  for await (const line of lines) {
    count += 1;
    if (count > config.maxImportLines) {
      refuse(line.line, `An import takes ${config.maxImportLines} lines at most. Nothing from here on was read.`);
      break;
    }
    if (line.kind === "refused") {
      refuse(line.line, line.reason);
      continue;
    }
    const asked = host
      .ask(line.id, { kind: "register", patch: line.patch, mode: "upsert" })
      .then((reply) => {
        if (reply.kind === "registered") report.accepted += 1;
        else
          refuse(line.line, "detail" in reply ? reply.detail : `The device could not be registered (${reply.kind}).`);
      })
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => running.delete(asked));
    running.add(asked);
    if (running.size >= inFlight) await Promise.race(running);
    if (failure !== null) break;
  }
  await Promise.all(running);
  if (failure !== null) throw (failure as { error: unknown }).error;
  report.refused.sort((a, b) => a.line - b.line);
  return report;
}

/** The body as it streams in; throws `Problem` when it is more than `maxBytes`. */
async function* limited(body: ReadableStream<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new Problem("too-large", `An import has ${maxBytes} bytes at most. What came before was taken.`);
    yield chunk;
  }
}
