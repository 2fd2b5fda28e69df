/** The quality rules that a device type's messages are held to. A change counts at once, for every device. */
import { createHash } from "node:crypto";
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

const action = z.enum(["flag", "quarantine", "off"]);
const metrics = z.array(z.string());
const rule = z.union([
  z.object({ kind: z.literal("required"), action, metrics }),
  z.object({ kind: z.literal("range"), action, metrics, min: z.number().optional(), max: z.number().optional() }),
  z.object({ kind: z.literal("type"), action, metrics, type: z.enum(["number", "boolean", "string"]) }),
  z.object({ kind: z.enum(["latitude", "longitude"]), action, metrics }),
  z.object({ kind: z.literal("rate"), action, metrics, maxPerSecond: z.number() }),
  z.object({ kind: z.literal("stuck"), action, metrics, forMs: z.int() }),
  z.object({ kind: z.enum(["clockAhead", "clockBehind"]), action, maxMs: z.int() }),
]);

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

const condition = z.object({
  "if-match": z
    .string()
    .max(1_000)
    .optional()
    .openapi({ example: '"8c1mNfJ0QvWk3Zr2"', description: "Only if the rules still are those that had this ETag" }),
});

const tagHeader = {
  ETag: { description: "Names these rules", schema: { type: "string" as const, example: '"8c1mNfJ0QvWk3Zr2"' } },
};

const path = "/v1/device-types/{type}/quality";

const readQuality = createRoute({
  method: "get",
  path,
  tags: ["Device types"],
  summary: "The quality rules of a type",
  request: { params: typeParameter, query: noParameters },
  responses: { 200: { ...answer("The rules", QualityView), headers: tagHeader }, ...problems() },
});

const putQuality = createRoute({
  method: "put",
  path,
  tags: ["Device types"],
  summary: "Set the quality rules of a type, all of its own; they hold at once",
  request: { params: typeParameter, query: noParameters, headers: condition, body: body(Rules) },
  responses: {
    200: { ...answer("The rules", QualityView), headers: tagHeader },
    ...problems(409, 412, 413, 415),
  },
});

const deleteQuality = createRoute({
  method: "delete",
  path,
  tags: ["Device types"],
  summary: "Give a type the default rules again",
  request: { params: typeParameter, query: noParameters, headers: condition },
  responses: { 204: { description: "It has the default rules" }, ...problems(404, 412) },
});

export function serveTypeQuality(app: OpenAPIHono<ApiEnv>, { deviceTypes, host }: ApiParts): void {
  /** Puts the rules if the condition holds, and still does when they are stored; throws `Problem` if not. */
  const put = async (type: string, stands: QualityRules, quality: QualityRules, ifMatch: string | undefined) => {
    const refused = () =>
      new Problem(
        "precondition-failed",
        `The rules of ${type} are not those of If-Match ${ifMatch}: someone changed them. Read them again, and send their ETag.`,
      );
    if (ifMatch !== undefined && !matches(ifMatch, tagOf(viewOf(type, stands)))) throw refused();
    const done = await deviceTypes.put(type, { quality }, ifMatch === undefined ? undefined : { quality: stands });
    if (!done) throw refused();
    await host.policiesChanged();
  };

  app.openapi(readQuality, async (c) => {
    const { type } = c.req.valid("param");
    const view = viewOf(type, (await deviceTypes.of(type)).quality);
    c.header("etag", tagOf(view));
    return c.json(view, 200);
  });

  app.openapi(putQuality, async (c) => {
    const { type } = c.req.valid("param");
    const parsed = parseQualityRules(c.req.valid("json"));
    if (parsed.kind === "refused") throw refusedBody(parsed.problems);
    await refuseTooMany(deviceTypes, type);
    await put(type, (await deviceTypes.of(type)).quality, parsed.rules, c.req.valid("header")["if-match"]);
    const view = viewOf(type, parsed.rules);
    c.header("etag", tagOf(view));
    return c.json(view, 200);
  });

  app.openapi(deleteQuality, async (c) => {
    const { type } = c.req.valid("param");
    const stands = (await deviceTypes.of(type)).quality;
    if (Object.keys(stands).length === 0)
      throw new Problem("not-found", `The type ${type} has no quality rules of its own.`);
    await put(type, stands, {}, c.req.valid("header")["if-match"]);
    return c.body(null, 204);
  });
}

/** The rules in their order, in which they are judged; the defaults among them, which a release may change. */
function tagOf(view: ReturnType<typeof viewOf>): string {
  return `"${createHash("sha256").update(JSON.stringify(view)).digest("base64url").slice(0, 22)}"`;
}

/** If-Match (RFC 9110, 13.1.1): tags with commas between them, compared strongly, or `*`. There always are rules. */
function matches(ifMatch: string, tag: string): boolean {
  const tags = ifMatch.split(",").map((each) => each.trim());
  if (tags.every((each) => each === "*" || /^(W\/)?"[^"]*"$/.test(each)))
    return tags.includes("*") || tags.includes(tag);
  throw new Problem(
    "invalid-request",
    `If-Match is ${ifMatch} but needs the ETag of the rules as GET gives it, in its quotes.`,
  );
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
