/** The processes that make up the system: who is there, what each carries, how far behind the sinks are. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { SeenMember } from "../ports/membership/port.ts";
import { checkProbes } from "./health.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { answer, noParameters, problems, Timestamp } from "./route.ts";

export type ClusterState = {
  readonly mode: "embedded" | "distributed";
  /** The living, and those that died lately. */
  readonly members: readonly SeenMember[];
  /** Over all hosts. */
  readonly twinsInMemory: number;
  /** By sink: records that are durable and not yet in queries and lists. */
  readonly sinkLag: Readonly<Record<string, number>>;
  /** Dapr's placement as the sidecars see it; null where there is none. */
  readonly placement: { readonly connected: boolean; readonly version: string } | null;
};

const MemberView = z
  .object({
    id: z.string(),
    name: z.string(),
    role: z.enum(["actors", "gateways", "sinks", "apis", "doppel"]).openapi({ description: "doppel: all in one" }),
    version: z.string(),
    address: z.string(),
    startedAt: Timestamp,
    seenAt: Timestamp,
    alive: z.boolean(),
    status: z
      .record(z.string(), z.union([z.number(), z.string(), z.boolean()]))
      .openapi({ description: "What the role has to tell: twins in memory, connections, lag, trouble" }),
  })
  .openapi("Member");

const ClusterView = z
  .object({
    mode: z.enum(["embedded", "distributed"]),
    members: z.array(MemberView),
    twinsInMemory: z.int(),
    sinkLag: z.record(z.string(), z.int()).openapi({ description: "By sink, in records of the log" }),
    placement: z.object({ connected: z.boolean(), version: z.string() }).nullable(),
    dependencies: z
      .record(z.string(), z.object({ ok: z.boolean(), detail: z.string().optional() }))
      .openapi({ description: "What the API process itself hangs on; each member tells of its own at /readyz" }),
  })
  .openapi("Cluster", {
    example: {
      mode: "distributed",
      members: [
        {
          id: "actors-1-mf3k",
          name: "actors-1",
          role: "actors",
          version: "0.1.0",
          address: "http://127.0.0.1:8101",
          startedAt: "2026-11-21T12:00:00.000Z",
          seenAt: "2026-11-21T12:10:00.000Z",
          alive: true,
          status: { twins: 334, deadlines: 310, pending: 2, sidecar: true },
        },
      ],
      twinsInMemory: 1000,
      sinkLag: { timeseries: 40, fleet: 12 },
      placement: { connected: true, version: "7" },
      dependencies: { database: { ok: true } },
    },
  });

const readCluster = createRoute({
  method: "get",
  path: "/v1/cluster",
  tags: ["Operation"],
  summary: "The processes that make up the system, and what each carries",
  request: { query: noParameters },
  responses: { 200: answer("The cluster", ClusterView), ...problems() },
});

export function serveCluster(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  app.openapi(readCluster, async (c) => {
    const [{ members, placement, sinkLag, ...cluster }, dependencies] = await Promise.all([
      parts.cluster(),
      checkProbes(parts.probes),
    ]);
    const view = {
      ...cluster,
      members: members.map(memberView),
      sinkLag: { ...sinkLag },
      placement: placement === null ? null : { ...placement },
      dependencies,
    };
    return c.json(view, 200);
  });
}

function memberView({ startedAtMs, seenAtMs, status, ...member }: SeenMember): z.infer<typeof MemberView> {
  return {
    ...member,
    startedAt: new Date(startedAtMs).toISOString(),
    seenAt: new Date(seenAtMs).toISOString(),
    status: { ...status },
  };
}
