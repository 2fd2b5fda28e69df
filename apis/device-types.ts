/** The numbers by which devices of a type are judged: time-outs, limits. A change counts at once, for every device. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { defaultPolicy, parsePolicy, type TwinPolicy } from "../core/device/policy.ts";
import { refusedBody, refuseTooMany, typeParameter } from "./device-type-path.ts";
import { serveTypeQuality } from "./device-type-quality.ts";
import { serveTypeRetention } from "./device-type-retention.ts";
import { serveTypeSchemas } from "./device-type-schemas.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem } from "./problem.ts";
import { answer, body, noParameters, problems } from "./route.ts";

const fields = Object.keys(defaultPolicy) as (keyof TwinPolicy)[];

const Numbers = z.record(z.string(), z.unknown()).openapi("PolicyNumbers", {
  description: `Those that differ from the defaults, of ${fields.join(", ")}. Names that end in Ms are milliseconds.`,
  example: { silenceMs: 300_000, graceMs: 5_000 },
});

const DeviceTypeView = z
  .object({
    type: z.string(),
    numbers: z.record(z.string(), z.number()).openapi({ description: "Those that differ from the defaults" }),
    policy: z
      .object(Object.fromEntries(fields.map((field) => [field, z.int()])) as Record<keyof TwinPolicy, z.ZodInt>)
      .openapi({ description: "All of them, as they hold" }),
  })
  .openapi("DeviceType", {
    example: { type: "pump", numbers: { silenceMs: 300_000 }, policy: { ...defaultPolicy, silenceMs: 300_000 } },
  });

const DeviceTypeList = z
  .object({ items: z.array(DeviceTypeView) })
  .openapi("DeviceTypeList", { example: { items: [{ type: "default", numbers: {}, policy: defaultPolicy }] } });

const listTypes = createRoute({
  method: "get",
  path: "/v1/device-types",
  tags: ["Device types"],
  summary: "The types with settings of their own, and the default",
  request: { query: noParameters },
  responses: { 200: answer("The types", DeviceTypeList), ...problems() },
});

const readType = createRoute({
  method: "get",
  path: "/v1/device-types/{type}",
  tags: ["Device types"],
  summary: "The numbers of a type; one that was never given any has the defaults",
  request: { params: typeParameter, query: noParameters },
  responses: { 200: answer("The type", DeviceTypeView), ...problems() },
});

const putType = createRoute({
  method: "put",
  path: "/v1/device-types/{type}",
  tags: ["Device types"],
  summary: "Set the numbers of a type; it holds at once",
  request: { params: typeParameter, query: noParameters, body: body(Numbers) },
  responses: { 200: answer("The type", DeviceTypeView), ...problems(409, 413, 415) },
});

const deleteType = createRoute({
  method: "delete",
  path: "/v1/device-types/{type}",
  tags: ["Device types"],
  summary: "Give a type the defaults again in everything: numbers, quality rules, message schemas, retention",
  request: { params: typeParameter, query: noParameters },
  responses: { 204: { description: "It has the defaults" }, ...problems(404) },
});

export function serveDeviceTypes(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  const { deviceTypes, host, config } = parts;
  const view = (type: string, numbers: Partial<TwinPolicy>): z.infer<typeof DeviceTypeView> => ({
    type,
    numbers: { ...numbers },
    policy: { ...config.basePolicy, ...numbers },
  });

  app.openapi(listTypes, async (c) => {
    const types = await deviceTypes.all();
    const items = [...types].map(([type, { policy }]) => view(type, policy));
    if (!types.has("default")) items.unshift(view("default", {}));
    return c.json({ items }, 200);
  });

  app.openapi(readType, async (c) => {
    const { type } = c.req.valid("param");
    return c.json(view(type, (await deviceTypes.of(type)).policy), 200);
  });

  app.openapi(putType, async (c) => {
    const { type } = c.req.valid("param");
    const parsed = parsePolicy(c.req.valid("json"));
    if (parsed.kind === "refused") throw refusedBody(parsed.problems);
    await refuseTooMany(deviceTypes, type);
    await deviceTypes.put(type, { policy: parsed.policy });
    await host.policiesChanged();
    return c.json(view(type, parsed.policy), 200);
  });

  app.openapi(deleteType, async (c) => {
    const { type } = c.req.valid("param");
    if (!(await deviceTypes.remove(type)))
      throw new Problem("not-found", `The type ${type} has no settings of its own.`);
    await host.policiesChanged();
    return c.body(null, 204);
  });

  serveTypeQuality(app, parts);
  serveTypeSchemas(app, parts);
  serveTypeRetention(app, parts);
}
