/**
 * The message schemas of a device type, by version: JSON Schema of one telemetry message as its device sends it. The
 * newest one holds at once. What does not fit it is put in quarantine, so a version that refuses what the one before took
 * has to be asked for by `force`.
 */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { JsonObject } from "../core/json.ts";
import type { MessageSchemaVersion } from "../ports/device-types/port.ts";
import { messageSchemas } from "../ports/message-schema/ajv.ts";
import { refusedBody, refuseTooMany, typeParameter, typeVersionParameter } from "./device-type-path.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem } from "./problem.ts";
import { answer, body, flag, iso, noParameters, parameters, problems, Timestamp } from "./route.ts";

/** Versions that a type may have. */
const maxVersions = 1_000;

const exampleSchema = {
  type: "object",
  properties: {
    readings: {
      type: "object",
      required: ["pressure"],
      properties: { pressure: { type: "number", minimum: 0 } },
    },
  },
};

const Schema = z.record(z.string(), z.unknown()).openapi("MessageSchema", {
  description: "JSON Schema, draft 2020-12 or draft-07, of a message with ts, seq, boot, id, readings and tags",
  example: exampleSchema,
});

const example = { type: "pump", version: 2, createdAt: "2026-11-21T12:00:00.000Z", schema: exampleSchema };

const SchemaView = z
  .object({ type: z.string(), version: z.int(), createdAt: Timestamp, schema: z.record(z.string(), z.unknown()) })
  .openapi("MessageSchemaVersion", { example });

const SchemaList = z
  .object({ items: z.array(z.object({ version: z.int(), createdAt: Timestamp })) })
  .openapi("MessageSchemaVersions", { example: { items: [{ version: 1, createdAt: example.createdAt }] } });

const path = "/v1/device-types/{type}/schemas";

const listSchemas = createRoute({
  method: "get",
  path,
  tags: ["Device types"],
  summary: "The versions of a type's message schema, oldest first",
  request: { params: typeParameter, query: noParameters },
  responses: { 200: answer("The versions", SchemaList), ...problems() },
});

const readSchema = createRoute({
  method: "get",
  path: `${path}/{version}`,
  tags: ["Device types"],
  summary: "A version of a type's message schema, or the newest",
  request: { params: typeVersionParameter, query: noParameters },
  responses: { 200: answer("The version", SchemaView), ...problems(404) },
});

const putSchema = createRoute({
  method: "put",
  path,
  tags: ["Device types"],
  summary: "Set a type's message schema: a new version, if it differs from the newest; it holds at once",
  request: {
    params: typeParameter,
    query: parameters({
      force: flag.optional().openapi({
        description: "Also if messages that fit the newest version may not fit this one",
        example: true,
      }),
    }),
    body: body(Schema),
  },
  responses: { 200: answer("The version that holds", SchemaView), ...problems(409, 413, 415) },
});

export function serveTypeSchemas(app: OpenAPIHono<ApiEnv>, { deviceTypes, host, now }: ApiParts): void {
  app.openapi(listSchemas, async (c) => {
    const { type } = c.req.valid("param");
    const versions = await deviceTypes.schemasOf(type);
    const items = versions.map(({ version, createdAtMs }) => ({ version, createdAt: iso(createdAtMs) }));
    return c.json({ items }, 200);
  });

  app.openapi(readSchema, async (c) => {
    const { type, version } = c.req.valid("param");
    const versions = await deviceTypes.schemasOf(type);
    const found = version === "newest" ? versions.at(-1) : versions.find((each) => String(each.version) === version);
    if (found === undefined) {
      const there = versions.length === 0 ? "it has no message schema" : `its versions are 1 to ${versions.length}`;
      throw new Problem("not-found", `The type ${type} has no version ${version} of a message schema; ${there}.`);
    }
    return c.json(viewOf(type, found), 200);
  });

  app.openapi(putSchema, async (c) => {
    const { type } = c.req.valid("param");
    const { force } = c.req.valid("query");
    const compiled = messageSchemas.compile(c.req.valid("json"));
    if (compiled.kind === "refused") throw refusedBody(compiled.problems);
    const { schema } = compiled;
    const { schema: newest } = await deviceTypes.of(type);
    if (newest !== null && JSON.stringify(newest.schema) === JSON.stringify(schema))
      return c.json(viewOf(type, newest), 200);
    if (newest !== null && force !== true) refuseIncompatible(newest, schema);
    if (newest !== null && newest.version >= maxVersions)
      throw new Problem(
        "conflict",
        `The type ${type} has ${newest.version} versions of its schema, the most there may be.`,
      );
    await refuseTooMany(deviceTypes, type);
    const createdAtMs = now();
    const outcome = await deviceTypes.addSchema(type, schema, { replacing: newest?.version ?? 0, nowMs: createdAtMs });
    if (outcome.kind === "stale")
      throw new Problem("conflict", `Version ${outcome.newest} was added just now. Look at it, and send yours again.`);
    await host.policiesChanged();
    return c.json(viewOf(type, { version: outcome.version, schema, createdAtMs }), 200);
  });
}

function refuseIncompatible(newest: MessageSchemaVersion, schema: JsonObject): void {
  const differences = messageSchemas.differences(newest.schema, schema);
  if (differences.length === 0) return;
  const more = differences.length > 3 ? `; and ${differences.length - 3} more` : "";
  throw new Problem(
    "conflict",
    `Messages that fit version ${newest.version} may not fit this schema: ${differences.slice(0, 3).join("; ")}${more}. ` +
      "Change it, or add ?force=true.",
    { errors: differences.slice(0, 100).map((detail) => ({ pointer: "body", detail })) },
  );
}

function viewOf(type: string, { version, schema, createdAtMs }: MessageSchemaVersion) {
  return { type, version, createdAt: iso(createdAtMs), schema };
}
