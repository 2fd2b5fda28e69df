/** How long a device type's raw telemetry is kept, where it is not as long as for all. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { refuseTooMany, typeParameter } from "./device-type-path.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem } from "./problem.ts";
import { answer, body, noParameters, problems } from "./route.ts";

/** A hundred years. */
const maxDays = 36_500;

const Retention = z
  .strictObject({ days: z.int().min(1).max(maxDays) })
  .openapi("Retention", { description: "Days for which raw telemetry is kept", example: { days: 7 } });

const RetentionView = z
  .object({
    type: z.string(),
    days: z.int().nullable().openapi({ description: "Null: as long as the system's option says" }),
  })
  .openapi("DeviceTypeRetention", { example: { type: "pump", days: 7 } });

const path = "/v1/device-types/{type}/retention";

const readRetention = createRoute({
  method: "get",
  path,
  tags: ["Device types"],
  summary: "How long a type's raw telemetry is kept",
  request: { params: typeParameter, query: noParameters },
  responses: { 200: answer("The retention", RetentionView), ...problems() },
});

const putRetention = createRoute({
  method: "put",
  path,
  tags: ["Device types"],
  summary: "Set how long a type's raw telemetry is kept; older rows go at the next clean-up",
  request: { params: typeParameter, query: noParameters, body: body(Retention) },
  responses: { 200: answer("The retention", RetentionView), ...problems(409, 413, 415) },
});

const deleteRetention = createRoute({
  method: "delete",
  path,
  tags: ["Device types"],
  summary: "Keep a type's raw telemetry as long as that of all others",
  request: { params: typeParameter, query: noParameters },
  responses: { 204: { description: "It is kept as long as for all" }, ...problems(404) },
});

export function serveTypeRetention(app: OpenAPIHono<ApiEnv>, { deviceTypes }: ApiParts): void {
  app.openapi(readRetention, async (c) => {
    const { type } = c.req.valid("param");
    return c.json({ type, days: (await deviceTypes.of(type)).retentionDays }, 200);
  });

  app.openapi(putRetention, async (c) => {
    const { type } = c.req.valid("param");
    const { days } = c.req.valid("json");
    await refuseTooMany(deviceTypes, type);
    await deviceTypes.put(type, { retentionDays: days });
    return c.json({ type, days }, 200);
  });

  app.openapi(deleteRetention, async (c) => {
    const { type } = c.req.valid("param");
    if ((await deviceTypes.of(type)).retentionDays === null)
      throw new Problem("not-found", `The type ${type} has no retention of its own.`);
    await deviceTypes.put(type, { retentionDays: null });
    return c.body(null, 204);
  });
}
