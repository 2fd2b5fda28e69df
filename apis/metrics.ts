/** `/metrics` in Prometheus' text format. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { noParameters, problems } from "./route.ts";

const readMetrics = createRoute({
  method: "get",
  path: "/metrics",
  tags: ["Operation"],
  summary: "What the system counts, for Prometheus",
  request: { query: noParameters },
  responses: {
    200: {
      description: "Prometheus text format",
      content: {
        "text/plain": {
          schema: z.string().openapi({ example: 'doppel_telemetry_messages_total{outcome="accepted"} 42' }),
        },
      },
    },
    ...problems(),
  },
});

export function serveMetrics(app: OpenAPIHono<ApiEnv>, { metrics }: ApiParts): void {
  app.openapi(readMetrics, async (c) => c.text(await metrics.metrics(), 200, { "content-type": metrics.contentType }));
}
