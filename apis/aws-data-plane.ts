/**
 * AWS IoT's data plane over HTTP, for apps that use an AWS SDK: shadows, their names, publishing.
 * Signatures (SigV4) are not checked: where credentials are required, the API key goes in `Authorization: Bearer`.
 */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { liveShadowNames, type ShadowRequest } from "../core/device/shadow.ts";
import { ShadowDocument } from "./device-view.ts";
import { readTwin } from "./devices.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem, problemOfStatus } from "./problem.ts";
import { refuseDeepJson } from "./request-body.ts";
import { answer, DeviceId, parameters, ShadowName, wholeNumber } from "./route.ts";

const tags = ["AWS data plane"];

const AwsError = z.object({ message: z.string() }).openapi("AwsError", {
  description: "The exception's name is in the header x-amzn-errortype",
  example: { message: "No shadow exists with name: pump-4" },
});

function awsErrors<Status extends number>(...statuses: Status[]) {
  const description = "Refused; the header x-amzn-errortype names the exception";
  const described = [...statuses, 400, 401, 403, 500].map((status) => [status, answer(description, AwsError)]);
  return Object.fromEntries(described) as Record<
    Status | 400 | 401 | 403 | 500,
    ReturnType<typeof answer<typeof AwsError>>
  >;
}

const thing = z.object({ thing: DeviceId.openapi({ param: { name: "thing", in: "path" } }) });
const named = parameters({ name: ShadowName });
const octets = {
  required: true,
  content: {
    "application/octet-stream": {
      schema: { type: "string" as const, format: "binary", example: '{"state":{"desired":{"mode":"eco"}}}' },
    },
  },
};

const AwsShadowAccepted = z.looseObject({ version: z.int(), timestamp: z.int() }).openapi("AwsShadowAccepted", {
  example: { state: { desired: { mode: "eco" } }, metadata: {}, version: 8, timestamp: 1795262400 },
});

const AwsShadowNames = z
  .object({ results: z.array(z.string()), nextToken: z.string().optional(), timestamp: z.int() })
  .openapi("AwsShadowNames", { example: { results: ["settings"], timestamp: 1795262400 } });

const AwsPublished = z
  .object({ message: z.literal("OK"), traceId: z.string() })
  .openapi("AwsPublished", { example: { message: "OK", traceId: "0195a1f0" } });

const getShadow = createRoute({
  method: "get",
  path: "/things/{thing}/shadow",
  tags,
  summary: "GetThingShadow",
  request: { params: thing, query: named },
  responses: { 200: answer("The shadow", ShadowDocument), ...awsErrors(404) },
});

const postShadow = createRoute({
  method: "post",
  path: "/things/{thing}/shadow",
  tags,
  summary: "UpdateThingShadow",
  request: { params: thing, query: named, body: octets },
  responses: { 200: answer("What was changed", AwsShadowAccepted), ...awsErrors(404, 409, 413, 415) },
});

const deleteShadow = createRoute({
  method: "delete",
  path: "/things/{thing}/shadow",
  tags,
  summary: "DeleteThingShadow",
  request: { params: thing, query: named },
  responses: { 200: answer("The version that was deleted", AwsShadowAccepted), ...awsErrors(404, 409) },
});

const listShadows = createRoute({
  method: "get",
  path: "/api/things/shadow/ListNamedShadowsForThing/{thing}",
  tags,
  summary: "ListNamedShadowsForThing",
  request: {
    params: thing,
    query: parameters({
      nextToken: z.string().max(256).optional(),
      pageSize: wholeNumber(1, 100).default(25).openapi({ example: 25 }),
    }),
  },
  responses: { 200: answer("A page of names", AwsShadowNames), ...awsErrors(404) },
});

const publish = createRoute({
  method: "post",
  path: "/topics/{topic}",
  tags,
  summary: "Publish",
  description: "As a publish over MQTT by an app: what twins understand reaches them, and subscribers hear it.",
  request: {
    params: z.object({
      topic: z
        .string()
        .openapi({ param: { name: "topic", in: "path" }, description: "URL-encoded", example: "alarms%2Fhall-3" }),
    }),
    // AWS has more of them (MQTT 5 properties); they would be dropped, so they are refused.
    query: parameters({
      qos: z.enum(["0", "1"]).default("0"),
      retain: z.enum(["true", "false"]).default("false"),
      contentType: z.string().max(256).optional().openapi({ description: "Taken and not passed on" }),
    }),
    body: { ...octets, required: false },
  },
  responses: { 200: answer("Published", AwsPublished), ...awsErrors(413) },
});

export function serveAwsDataPlane(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  const { now, newId } = parts;

  app.openapi(getShadow, async (c) => {
    const accepted = await ask(parts, c, { kind: "get", payload: new Uint8Array() });
    return c.json(accepted as z.infer<typeof ShadowDocument>, 200);
  });
  app.openapi(postShadow, async (c) => {
    const accepted = await ask(parts, c, { kind: "update", payload: await c.req.bytes() });
    return c.json(accepted as z.infer<typeof AwsShadowAccepted>, 200);
  });
  app.openapi(deleteShadow, async (c) => {
    const accepted = await ask(parts, c, { kind: "delete", payload: new Uint8Array() });
    return c.json(accepted as z.infer<typeof AwsShadowAccepted>, 200);
  });

  app.openapi(listShadows, async (c) => {
    const { nextToken, pageSize } = c.req.valid("query");
    const twin = await readTwin(parts, c.req.valid("param").thing);
    const after = nextToken === undefined ? "" : Buffer.from(nextToken, "base64url").toString();
    const names = liveShadowNames(twin.shadows).filter((name) => name > after);
    const results = names.slice(0, pageSize);
    const more =
      names.length > results.length ? { nextToken: Buffer.from(results.at(-1) ?? "").toString("base64url") } : {};
    return c.json({ results, timestamp: Math.floor(now() / 1_000), ...more }, 200);
  });

  app.openapi(publish, async (c) => {
    const { topic } = c.req.valid("param");
    const { qos, retain } = c.req.valid("query");
    const problem = topicProblem(topic);
    if (problem !== null) throw new Problem("invalid-request", problem);
    const payload = await c.req.bytes();
    refuseDeepJson(payload);
    const message = { topic, payload, qos: qos === "1" ? (1 as const) : (0 as const), retain: retain === "true" };
    const outcome = await parts.publishFromApp(message);
    if (outcome.kind === "refuse") {
      // MQTT 5, 3.4.2.1: 0x87 is "not authorized".
      throw new Problem(outcome.reasonCode === 0x87 ? "forbidden" : "invalid-request", outcome.reason);
    }
    return c.json({ message: "OK" as const, traceId: newId() }, 200);
  });
}

async function ask({ host }: ApiParts, c: Context<ApiEnv>, request: ShadowRequest): Promise<unknown> {
  const device = c.req.param("thing") ?? "";
  const shadow = c.req.query("name") ?? "";
  const reply = await host.ask(device, { kind: "shadow", shadow, request, by: "app", session: null });
  if (reply.kind === "unknownDevice") throw new Problem("unknown-device", "Thing not found");
  if (reply.kind !== "shadow") throw new Error(`The twin of ${device} answered a shadow request with ${reply.kind}.`);
  if (reply.answer.kind === "rejected") throw problemOfStatus(reply.answer.code, reply.answer.message);
  return reply.answer.body;
}

/** Why nobody can publish to the topic, or null. What apps may publish to is the MQTT application's to say. */
function topicProblem(topic: string): string | null {
  if (Buffer.byteLength(topic) > 256) return "The topic is over 256 bytes.";
  // MQTT 3.1.1, 4.7.1-1 and 4.7.3-2: wildcards and NUL are for no topic name.
  if (/[+#]/.test(topic) || topic.includes("\0")) return "A topic to publish to has no + or #, and no NUL.";
  return topic.isWellFormed() ? null : "The topic is not valid UTF-8.";
}
