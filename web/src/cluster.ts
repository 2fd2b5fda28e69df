import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "./api.ts";
import { now } from "./clock.ts";
import { type ClusterEvent, clusterEvents } from "./cluster-events.ts";
import type { Cluster } from "./contract.ts";
import { movesAfter, type TwinMoves } from "./twin-moves.ts";
import { usePolled } from "./use-polled.ts";

const everyMs = 2_000;
const keptEvents = 50;

/** What is known of the cluster: the newest picture, and what the pictures before it tell. */
export type Watched = {
  cluster: Cluster;
  receivedAtMs: number;
  /** From the store's clock to the browser's. */
  skewMs: number;
  /** Newest first. */
  events: ClusterEvent[];
  moves: TwinMoves | null;
};

/** Outlives the page: on coming back to it, what happened meanwhile is told. */
const watched = signal<Watched | null>(null);

export function useCluster() {
  const { data, problem, silentMs, reload } = usePolled("cluster", api.cluster, everyMs);
  useEffect(() => {
    if (data) watched.value = watch(watched.value, data, Date.now());
  }, [data]);
  return { watched: watched.value, problem, silentMs, reload };
}

/** Now, by the store's clock. */
export function storeNow(of: Watched): number {
  return Math.max(now.value, of.receivedAtMs) - of.skewMs;
}

function watch(before: Watched | null, cluster: Cluster, nowMs: number): Watched {
  const skewMs = Math.min(before?.skewMs ?? Number.POSITIVE_INFINITY, skewOf(cluster, nowMs));
  const news = clusterEvents(before?.cluster ?? null, cluster, nowMs, skewMs);
  const moves = movesAfter(before?.moves ?? null, before?.cluster ?? null, cluster, nowMs);
  return {
    cluster,
    receivedAtMs: nowMs,
    skewMs,
    events: [...news, ...(before?.events ?? [])].slice(0, keptEvents),
    moves,
  };
}

/** The newest beat is at most a second old; over several pictures the smallest distance comes close to the truth. */
function skewOf({ members }: Cluster, nowMs: number): number {
  const newest = Math.max(...members.filter(({ alive }) => alive).map(({ seenAt }) => Date.parse(seenAt)));
  return Number.isFinite(newest) ? nowMs - newest : 0;
}
