/**
 * Device shadows over HTTP: the same requests and rules as over MQTT, refusals as problem documents.
 * Conditions: If-Match is answered 412 when it fails, a `version` in the body 409.
 */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { ShadowAnswer, ShadowRequest } from "../core/device/shadow.ts";
import { liveShadowNames } from "../core/device/shadow.ts";
import { ShadowDocument } from "./device-view.ts";
import { readTwin } from "./devices.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem, problemOfStatus, unknownDevice } from "./problem.ts";
import { jsonBytes } from "./request-body.ts";
import { answer, deviceParameter, noParameters, parameters, problems, rawBody, ShadowName } from "./route.ts";

const named = parameters({ name: ShadowName });

const ShadowUpdate = z
  .object({
    state: z
      .object({
        desired: z.record(z.string(), z.unknown()).nullable(),
        reported: z.record(z.string(), z.unknown()).nullable(),
      })
      .partial(),
    version: z.int().optional(),
    clientToken: z.string().optional(),
  })
  .openapi("ShadowUpdate", {
    description: "Laid over what is there; null removes a key or a section",
    example: { state: { desired: { mode: "eco", obsolete: null } } },
  });

const ShadowAccepted = z
  .object({
    state: z.record(z.string(), z.unknown()).nullable(),
    metadata: z.record(z.string(), z.unknown()),
    version: z.int(),
    timestamp: z.int(),
    clientToken: z.string().optional(),
  })
  .openapi("ShadowAccepted", {
    description: "The sections that were sent, and the version that they made",
    example: {
      state: { desired: { mode: "eco" } },
      metadata: { desired: { mode: { timestamp: 1795262400 } } },
      version: 8,
      timestamp: 1795262400,
    },
  });

const ShadowDeleted = z
  .object({ version: z.int(), timestamp: z.int(), clientToken: z.string().optional() })
  .openapi("ShadowDeleted", { example: { version: 8, timestamp: 1795262400 } });

const ShadowNames = z
  .object({ names: z.array(z.string()) })
  .openapi("ShadowNames", { example: { names: ["", "settings"] } });

const condition = z.object({
  "if-match": z
    .string()
    .max(100)
    .optional()
    .openapi({ example: '"7"', description: "Only if this is the shadow's version" }),
  "if-none-match": z.string().max(100).optional().openapi({
    example: "*",
    description: "On a change `*`: only if there is no such shadow. On GET a version: 304 if it is still that",
  }),
});

const versionHeader = {
  ETag: { description: "The version in quotes", schema: { type: "string" as const, example: '"8"' } },
};

const readShadow = createRoute({
  method: "get",
  path: "/v1/devices/{id}/shadow",
  tags: ["Shadows"],
  summary: "Read a shadow: desired, reported and their difference",
  request: { params: deviceParameter, query: named, headers: condition },
  responses: {
    200: { ...answer("The shadow", ShadowDocument), headers: versionHeader },
    304: { description: "Still the version of If-None-Match" },
    ...problems(404),
  },
});

const updateShadow = createRoute({
  method: "patch",
  path: "/v1/devices/{id}/shadow",
  tags: ["Shadows"],
  summary: "Change desired or reported state",
  request: { params: deviceParameter, query: named, headers: condition, body: rawBody("ShadowUpdate") },
  responses: {
    200: { ...answer("What was changed", ShadowAccepted), headers: versionHeader },
    ...problems(404, 409, 412, 413, 415),
  },
});

const deleteShadow = createRoute({
  method: "delete",
  path: "/v1/devices/{id}/shadow",
  tags: ["Shadows"],
  summary: "Delete a shadow",
  request: { params: deviceParameter, query: named, headers: condition },
  responses: { 200: answer("The version that was deleted", ShadowDeleted), ...problems(404, 409, 412) },
});

const listShadows = createRoute({
  method: "get",
  path: "/v1/devices/{id}/shadows",
  tags: ["Shadows"],
  summary: "The names of a device's shadows; the classic one's is \"\"",
  request: { params: deviceParameter, query: noParameters },
  responses: { 200: answer("The names", ShadowNames), ...problems(404) },
});

export function serveShadows(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  app.openAPIRegistry.register("ShadowUpdate", ShadowUpdate);

  app.openapi(readShadow, async (c) => {
    const accepted = await ask(parts, c, { kind: "get", payload: new Uint8Array() });
    const tag = `"${accepted.version}"`;
    c.header("etag", tag);
    if (c.req.valid("header")["if-none-match"] === tag) return c.body(null, 304);
    return c.json(accepted.body as z.infer<typeof ShadowDocument>, 200);
  });

  app.openapi(updateShadow, async (c) => {
    const payload = await jsonBytes(c);
    const accepted = await ask(parts, c, { kind: "update", payload, ...conditionOf(c) });
    c.header("etag", `"${accepted.version}"`);
    return c.json(accepted.body as z.infer<typeof ShadowAccepted>, 200);
  });

  app.openapi(deleteShadow, async (c) => {
    const payload = await c.req.bytes();
    const accepted = await ask(parts, c, { kind: "delete", payload, ...conditionOf(c) });
    return c.json(accepted.body as z.infer<typeof ShadowDeleted>, 200);
  });

  app.openapi(listShadows, async (c) => {
    const twin = await readTwin(parts, c.req.valid("param").id);
    return c.json({ names: liveShadowNames(twin.shadows) }, 200);
  });
}

async function ask(
  { host }: ApiParts,
  c: Context<ApiEnv>,
  request: ShadowRequest,
): Promise<Extract<ShadowAnswer, { kind: "accepted" }>> {
  const device = c.req.param("id") ?? "";
  const shadow = c.req.query("name") ?? "";
  const reply = await host.ask(device, { kind: "shadow", shadow, request, by: "app", session: null });
  if (reply.kind === "unknownDevice") throw unknownDevice(device);
  if (reply.kind !== "shadow") throw new Error(`The twin of ${device} answered a shadow request with ${reply.kind}.`);
  const { answer } = reply;
  if (answer.kind === "accepted") return answer;
  const { code, message } = answer;
  if (code === 404) {
    throw new Problem("unknown-shadow", shadow === "" ? `The device ${device} has no classic shadow.` : `${message}.`);
  }
  if (code === 409 && "ifVersion" in request && !namesVersion(request.payload)) {
    const version = request.ifVersion;
    throw new Problem(
      "precondition-failed",
      version === 0
        ? "The shadow exists already. Read it, and send its version in If-Match."
        : `The shadow's version is not ${version}. Read it again, and send its version in If-Match.`,
    );
  }
  if (code === 409) throw new Problem("version-conflict", `${message}: read the shadow again, and send its version.`);
  throw problemOfStatus(code, `${message}.`);
}

/** If-Match: "<version>" or If-None-Match: * (RFC 9110, 13.1). */
function conditionOf(c: Context): { ifVersion?: number } {
  const match = c.req.header("if-match");
  const noneMatch = c.req.header("if-none-match");
  if (match !== undefined) {
    const version = /^"?(\d{1,15})"?$/.exec(match.trim())?.[1];
    if (version !== undefined && Number(version) > 0) return { ifVersion: Number(version) };
    throw new Problem("invalid-request", `If-Match is ${match} but needs one version of the shadow, such as "7".`);
  }
  if (noneMatch === undefined) return {};
  if (noneMatch.trim() === "*") return { ifVersion: 0 };
  throw new Problem("invalid-request", `If-None-Match is ${noneMatch} but a change takes only *: "make it".`);
}

/** Whether the body has a condition of its own, whose failure is a 409. */
function namesVersion(payload: Uint8Array): boolean {
  if (payload.length === 0) return false;
  const body: unknown = JSON.parse(new TextDecoder().decode(payload));
  return typeof body === "object" && body !== null && Object.hasOwn(body, "version");
}
