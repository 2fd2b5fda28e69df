/** The fleet in numbers, and on the map. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { FleetStatistics, Statistics } from "./fleet-statistics.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { answer, noParameters, problems } from "./route.ts";

const exampleStats = {
  devices: 1000,
  online: 970,
  offline: 30,
  flapping: 2,
  regions: [{ region: "eu-north", devices: 400, online: 390 }],
  types: [{ type: "pump", devices: 1000, online: 970 }],
  messagesPerSecond: 1012.4,
  twinsInMemory: 1000,
  deadLetters: { "malformed-json": 3 },
  sinkLag: { timeseries: 40, fleet: 12 },
};

export const StatsView = z
  .object({
    devices: z.int(),
    online: z.int(),
    offline: z.int(),
    flapping: z.int(),
    regions: z.array(z.object({ region: z.string(), devices: z.int(), online: z.int() })),
    types: z.array(z.object({ type: z.string(), devices: z.int(), online: z.int() })),
    messagesPerSecond: z.number().openapi({ description: "Over the last five seconds" }),
    twinsInMemory: z.int(),
    deadLetters: z.record(z.string(), z.int()).openapi({ description: "By reason, since ever" }),
    sinkLag: z
      .record(z.string(), z.int())
      .openapi({ description: "By sink: records that are durable and not yet in queries and lists" }),
  })
  .openapi("Stats", { example: exampleStats });

const maxMapped = 10_000;

const Place = z.tuple([z.string(), z.number(), z.number(), z.enum(["online", "offline"])]);
type Place = z.infer<typeof Place>;

const MapView = z
  .object({
    devices: z
      .array(Place)
      .openapi({ description: "[id, latitude, longitude, status] of each device whose place is known" }),
    truncated: z.boolean().openapi({ description: "Whether there may be more" }),
  })
  .openapi("Map", { example: { devices: [["pump-4", 52.52, 13.405, "online"]], truncated: false } });

const readStats = createRoute({
  method: "get",
  path: "/v1/stats",
  tags: ["Fleet"],
  summary: "The fleet in numbers",
  request: { query: noParameters },
  responses: { 200: answer("The numbers", StatsView), ...problems() },
});

const readMap = createRoute({
  method: "get",
  path: "/v1/map",
  tags: ["Fleet"],
  summary: "Where the devices are, as they measured or as registered: at most 10,000",
  request: { query: noParameters },
  responses: { 200: answer("The devices with coordinates", MapView), ...problems() },
});

export function serveStats(app: OpenAPIHono<ApiEnv>, { fleet }: ApiParts, statistics: FleetStatistics): void {
  app.openapi(readStats, async (c) => c.json(statsView(await statistics.read()), 200));

  app.openapi(readMap, async (c) => {
    const found = await fleet.located(maxMapped + 1);
    const devices = found
      .slice(0, maxMapped)
      .map(({ id, latitude, longitude, status }): Place => [id, latitude, longitude, status]);
    return c.json({ devices, truncated: found.length > maxMapped }, 200);
  });
}

export function statsView(statistics: Statistics): z.infer<typeof StatsView> {
  const { regions, types, deadLetters, sinkLag, ...numbers } = statistics;
  return { ...numbers, regions: [...regions], types: [...types], deadLetters: { ...deadLetters }, sinkLag };
}
