import type { TwinHost } from "../actors/host/port.ts";
import packageJson from "../package.json" with { type: "json" };
import type { FleetIndex } from "../ports/fleet-index/port.ts";
import type { TimeSeries } from "../ports/time-series/port.ts";
import type { ClusterState } from "./cluster.ts";

/** The embedded system as a cluster: one member, which is everything. */
export async function clusterOfOne(about: {
  readonly host: TwinHost;
  readonly fleet: FleetIndex;
  readonly series: TimeSeries;
  readonly now: () => number;
  readonly startedAtMs: number;
  readonly id: string;
  readonly address: string;
}): Promise<ClusterState> {
  const { host, fleet, series, now, startedAtMs, id, address } = about;
  const [indexed, stored] = await Promise.all([fleet.progress(), series.progress()]);
  const { twinsInMemory, deadlines, pending, committedOffset } = host.stats();
  const lag = (progress: number | null) => Math.max(0, committedOffset - (progress ?? 0));
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
        status: { twins: twinsInMemory, deadlines, pending },
      },
    ],
    twinsInMemory,
    sinkLag: { timeseries: lag(stored), fleet: lag(indexed) },
    placement: null,
  };
}
