/** The quality rules that a device type's messages are held to. A change counts at once, for every device. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { parseQualityRules, type QualityRules, rulesWith } from "../core/quality/rules.ts";
import { refusedBody, refuseTooMany, typeParameter } from "./device-type-path.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem } from "./problem.ts";
import { answer, body, noParameters, problems } from "./route.ts";

const example = {
  "pressure-range": { kind: "range", metrics: ["pressure"], min: 0, max: 16, action: "quarantine" },
  "temperature-range": { max: 1_200 },
};
const whole = parseQualityRules(example);
const exampleRules: QualityRules = whole.kind === "rules" ? whole.rules : {};

const rule = z.object({
  kind: z.enum(["required", "range", "type", "latitude", "longitude", "rate", "stuck", "clockAhead", "clockBehind"]),
  action: z.enum(["flag", "quarantine", "off"]),
  metrics: z.array(z.string()).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  type: z.enum(["number", "boolean", "string"]).optional(),
  maxPerSecond: z.number().optional(),
  forMs: z.int().optional(),
  maxMs: z.int().optional(),
});

const Rules = z.record(z.string(), z.unknown()).openapi("QualityRules", {
  description:
    "Rules by name. One with a default's name takes its place, and keeps what it does not say; see docs/quality.md",
  example,
});

const QualityView = z
  .object({
    type: z.string(),
    rules: z.record(z.string(), rule).openapi({ description: "The type's own" }),
    effective: z
      .record(z.string(), rule)
      .openapi({ description: "All that hold: the defaults, and over them its own" }),
  })
  .openapi("DeviceTypeQuality", {
    example: viewOf("pump", exampleRules),
  });

const path = "/v1/device-types/{type}/quality";

const readQuality = createRoute({
  method: "get",
  path,
  tags: ["Device types"],
  summary: "The quality rules of a type",
  request: { params: typeParameter, query: noParameters },
  responses: { 200: answer("The rules", QualityView), ...problems() },
});

const putQuality = createRoute({
  method: "put",
  path,
  tags: ["Device types"],
  summary: "Set the quality rules of a type, all of its own; they hold at once",
  request: { params: typeParameter, query: noParameters, body: body(Rules) },
  responses: { 200: answer("The rules", QualityView), ...problems(409, 413, 415) },
});

const deleteQuality = createRoute({
  method: "delete",
  path,
  tags: ["Device types"],
  summary: "Give a type the default rules again",
  request: { params: typeParameter, query: noParameters },
  responses: { 204: { description: "It has the default rules" }, ...problems(404) },
});

export function serveTypeQuality(app: OpenAPIHono<ApiEnv>, { deviceTypes, host }: ApiParts): void {
  app.openapi(readQuality, async (c) => {
    const { type } = c.req.valid("param");
    return c.json(viewOf(type, (await deviceTypes.of(type)).quality), 200);
  });

  app.openapi(putQuality, async (c) => {
    const { type } = c.req.valid("param");
    const parsed = parseQualityRules(c.req.valid("json"));
    if (parsed.kind === "refused") throw refusedBody(parsed.problems);
    await refuseTooMany(deviceTypes, type);
    await deviceTypes.put(type, { quality: parsed.rules });
    await host.policiesChanged();
    return c.json(viewOf(type, parsed.rules), 200);
  });

  app.openapi(deleteQuality, async (c) => {
    const { type } = c.req.valid("param");
    if (Object.keys((await deviceTypes.of(type)).quality).length === 0)
      throw new Problem("not-found", `The type ${type} has no quality rules of its own.`);
    await deviceTypes.put(type, { quality: {} });
    await host.policiesChanged();
    return c.body(null, 204);
  });
}

function viewOf(type: string, rules: QualityRules) {
  return { type, rules: plain(rules), effective: plain(rulesWith(rules)) };
}

/** Mutable, as the framework's types would have it. */
function plain(rules: QualityRules): Record<string, z.infer<typeof rule>> {
  return Object.fromEntries(
    Object.entries(rules).map(([name, each]) => [
      name,
      "metrics" in each ? { ...each, metrics: [...each.metrics] } : each,
    ]),
  );
}
