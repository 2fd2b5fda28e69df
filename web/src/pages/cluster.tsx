import "../style/cluster.css";
import { now } from "../clock.ts";
import { storeNow, useCluster, type Watched } from "../cluster.ts";
import type { Cluster, Member } from "../contract.ts";
import { formatDuration, formatNumber } from "../format.ts";
import { type Group, groupsOf } from "../member-groups.ts";
import { ClusterEvents } from "../parts/cluster-events.tsx";
import { Dependencies } from "../parts/dependencies.tsx";
import { MemberTable } from "../parts/member-table.tsx";
import { ProblemBox } from "../parts/problem-box.tsx";
import { Tile } from "../parts/tile.tsx";
import { useTitle } from "../parts/use-title.ts";
import { Problem } from "../problem.ts";

/** The processes that make up the system: who is there, what each carries, and what changed of late. */
export function ClusterPage() {
  useTitle("Cluster");
  const { watched, problem, silentMs, reload } = useCluster();
  const silent =
    silentMs > 0
      ? new Problem(0, "The API does not answer", `Asked ${formatDuration(silentMs)} ago; still waiting.`)
      : null;
  const trouble = problem ?? silent;
  return (
    <>
      <header class="page-head">
        <h1>Cluster</h1>
        {watched && <p class="quiet">{summary(watched.cluster)}</p>}
        {watched && trouble && (
          <p class="at-end stale-note">Picture of {formatDuration(now.value - watched.receivedAtMs)} ago</p>
        )}
      </header>
      {trouble && <ProblemBox problem={trouble} onRetry={reload} />}
      {watched ? (
        <Picture watched={watched} stale={trouble !== null} />
      ) : (
        !trouble && <p class="waiting quiet">Asking who is there…</p>
      )}
    </>
  );
}

function summary({ mode, members }: Cluster): string {
  const alive = members.filter((member) => member.alive);
  const versions = [...new Set(alive.map(({ version }) => version))].join(" and ");
  if (mode === "embedded") return `Embedded: everything runs in one process. Version ${versions}.`;
  return `Distributed over ${alive.length} processes. Version ${versions}.`;
}

function Picture(props: { watched: Watched; stale: boolean }) {
  const { watched, stale } = props;
  const { cluster } = watched;
  const groups = groupsOf(cluster, storeNow(watched));
  return (
    <div class={stale ? "cluster stale" : "cluster"}>
      <Tiles cluster={cluster} groups={groups} />
      <div class="columns events-and-dependencies">
        <ClusterEvents events={watched.events} />
        <Dependencies cluster={cluster} />
      </div>
      {groups.map((group) => (
        <MemberTable key={group.role} group={group} watched={watched} />
      ))}
    </div>
  );
}

function Tiles(props: { cluster: Cluster; groups: Group[] }) {
  const { cluster, groups } = props;
  const hosts = groups.find(({ role }) => role === "actors" || role === "doppel");
  const gone = groups.flatMap(({ shown }) => shown).filter(({ alive }) => !alive);
  const alive = groups.reduce((sum, group) => sum + group.alive, 0);
  const waiting = total(hosts?.shown ?? [], "outboxWaiting");
  const lags = Object.entries(cluster.sinkLag);
  return (
    <div class="tiles">
      <Tile
        name="Processes"
        tone={gone.length > 0 ? "offline" : "online"}
        value={formatNumber(alive)}
        note={gone.length > 0 ? `gone: ${gone.map(({ name }) => name).join(", ")}` : "all alive"}
      />
      <Tile
        name="Twins in memory"
        value={formatNumber(cluster.twinsInMemory)}
        note={
          hosts && cluster.mode === "distributed" ? `on ${hosts.alive} ${hosts.alive === 1 ? "host" : "hosts"}` : ""
        }
      />
      {waiting !== null && <Tile name="Outbox waiting" value={formatNumber(waiting)} unit="records" />}
      <Tile
        name="Sink lag"
        value={formatNumber(Math.max(0, ...lags.map(([, behind]) => behind)))}
        unit="records"
        note={lags.map(([sink, behind]) => `${sink} ${formatNumber(behind)}`).join(" · ")}
      />
    </div>
  );
}

/** Over the living; null if none tells. */
function total(members: Member[], key: string): number | null {
  const told = members.filter(({ alive }) => alive).map(({ status }) => status[key]);
  const numbers = told.filter((value) => typeof value === "number");
  return numbers.length === 0 ? null : numbers.reduce((sum, value) => sum + value, 0);
}
