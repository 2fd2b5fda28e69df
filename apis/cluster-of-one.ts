import type { TwinHost } from "../actors/host/port.ts";
import packageJson from "../package.json" with { type: "json" };
import type { ClusterState } from "./cluster.ts";

/** The embedded system as a cluster: one member, which is everything. */
export async function clusterOfOne(about: {
  readonly host: TwinHost;
  /** Those that queries and lists hang on, by name. */
  readonly sinks: Readonly<Record<string, { progress(): Promise<number> }>>;
  /** What else it tells of itself: trouble. */
  readonly status?: Readonly<Record<string, string>>;
  readonly now: () => number;
  readonly startedAtMs: number;
  readonly id: string;
  readonly address: string;
}): Promise<ClusterState> {
  const { host, sinks, status, now, startedAtMs, id, address } = about;
  const progress = await Promise.all(
    Object.entries(sinks).map(async ([name, sink]) => [name, await sink.progress()] as const),
  );
  const { twinsInMemory, deadlines, pending, committedOffset } = host.stats();
  return {
    mode: "embedded",
    members: [
      {
        ...{ id, address, startedAtMs },
        role: "doppel",
        name: "doppel",
        version: packageJson.version,
        seenAtMs: now(),
        alive: true,
        status: { twins: twinsInMemory, deadlines, pending, ...status },
      },
    ],
    twinsInMemory,
    sinkLag: Object.fromEntries(progress.map(([name, at]) => [name, Math.max(0, committedOffset - at)])),
    placement: null,
  };
}
