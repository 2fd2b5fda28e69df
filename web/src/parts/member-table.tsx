import { useState } from "preact/hooks";
import { storeNow, type Watched } from "../cluster.ts";
import type { Member } from "../contract.ts";
import { type Figure, figuresOf, formatFigure, isTrouble } from "../figures.ts";
import { formatDuration, formatNumber } from "../format.ts";
import type { Group } from "../member-groups.ts";
import { moved } from "../twin-moves.ts";
import { Ago } from "./time.tsx";

const titles: Record<string, string> = {
  actors: "Hosts",
  doppel: "Process",
  gateways: "Gateways",
  sinks: "Sinks",
  apis: "APIs",
};
/** What it means that nobody of a role is there. */
const missing: Record<string, string> = {
  actors: "No host is alive: no twin takes messages or answers.",
  gateways: "No gateway is alive: what devices send waits at the broker.",
  sinks: "No sink is alive: histories, lists and numbers stand still.",
};
const freshMs = 30_000;

/** The processes of one role with what they tell; hosts with a bar of the twins that each has in memory. */
export function MemberTable(props: { group: Group; watched: Watched }) {
  const { group, watched } = props;
  const { role, shown, alive, earlier } = group;
  const [all, setAll] = useState(false);
  const figures = figuresOf(role, shown);
  const columns = all ? [...figures.shown, ...figures.hidden] : figures.shown;
  const title = titles[role] ?? role;
  const hasTwins = columns.some(({ key }) => key === "twins");
  const bars = shown.length > 1;
  return (
    <section class="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <span class="quiet">{alive < shown.length ? `${alive} of ${shown.length} alive` : alive}</span>
        {hasTwins && watched.moves && (
          <span class="quiet">
            <b class="moved">±</b> twins since the hosts changed{" "}
            <Ago at={new Date(watched.moves.changedAtMs).toISOString()} />
          </span>
        )}
        {figures.hidden.length > 0 && (
          <button type="button" class="at-end" aria-pressed={all} onClick={() => setAll(!all)}>
            All figures
          </button>
        )}
      </header>
      {alive === 0 && <p class="none-alive">{missing[role] ?? "None is alive."}</p>}
      {shown.length > 0 && (
        <div class="scroll">
          <table class="members">
            <Head columns={columns} bars={bars} />
            <tbody>
              {shown.map((member) => (
                <Row key={member.id} member={member} columns={columns} shown={shown} watched={watched} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {earlier.length > 0 && (
        <p class="panel-foot quiet">Gone within the last hour: {earlier.map(({ name }) => name).join(", ")}</p>
      )}
    </section>
  );
}

function Head(props: { columns: Figure[]; bars: boolean }) {
  return (
    <thead>
      <tr>
        <th scope="col">Name</th>
        <th scope="col">Up for</th>
        {props.columns.map(({ key, name }) =>
          key === "twins" ? (
            <th key={key} scope={props.bars ? "colgroup" : "col"} colSpan={props.bars ? 2 : 1}>
              {name}
            </th>
          ) : (
            <th key={key} scope="col" class="number wide">
              {name}
            </th>
          ),
        )}
        <th scope="col" class="wider">
          Version
        </th>
        <th scope="col" class="wider">
          Address
        </th>
      </tr>
    </thead>
  );
}

function Row(props: { member: Member; columns: Figure[]; shown: Member[]; watched: Watched }) {
  const { member, columns, shown, watched } = props;
  const { alive, name, status, version, address } = member;
  const atMs = storeNow(watched);
  const upMs = atMs - Date.parse(member.startedAt);
  return (
    <tr class={!alive ? "gone" : upMs < freshMs ? "fresh" : ""}>
      <th scope="row">
        <span class={alive ? "badge online" : "badge offline"}>
          <i aria-hidden="true" />
          <span class="member-name">{name}</span>
        </span>
        <span class="sub middle">
          {version} · {address}
        </span>
      </th>
      <td class="when">
        {alive ? (
          formatDuration(Math.max(1_000, upMs))
        ) : (
          <span class="gone-since">gone {formatDuration(Math.max(1_000, atMs - Date.parse(member.seenAt)))} ago</span>
        )}
      </td>
      {columns.map(({ key }) =>
        key === "twins" ? (
          <Twins key={key} member={member} shown={shown} watched={watched} />
        ) : (
          <td key={key} class="number wide">
            <FigureValue alive={alive} name={key} value={status[key]} />
          </td>
        ),
      )}
      <td class="wider version">{version}</td>
      <td class="wider">
        <code>{address}</code>
      </td>
      <td class="narrow sub rest">
        {alive &&
          columns
            .filter(({ key }) => key !== "twins")
            .map(({ key, name }) => (
              <span key={key} class={isTrouble(key, status[key]) ? "trouble" : ""}>
                {name} {formatFigure(key, status[key])}
              </span>
            ))}
        <span>{version}</span>
        <span>{address}</span>
      </td>
    </tr>
  );
}

function FigureValue(props: { alive: boolean; name: string; value: Member["status"][string] | undefined }) {
  const { alive, name, value } = props;
  if (!alive) return <span aria-hidden="true">–</span>;
  if (isTrouble(name, value)) {
    return (
      <span class="badge bad">
        <i aria-hidden="true" />
        {formatFigure(name, value)}
      </span>
    );
  }
  return (
    <span class={value === 0 || value === true || value === "ok" ? "quiet" : ""}>{formatFigure(name, value)}</span>
  );
}

/** A bar against the host with most twins; of a dead one, hollow, what it had. */
function Twins(props: { member: Member; shown: Member[]; watched: Watched }) {
  const { member, shown, watched } = props;
  const twins = twinsOf(member);
  const most = Math.max(1, ...shown.map(twinsOf));
  const sum = shown.reduce((total, other) => total + (other.alive ? twinsOf(other) : 0), 0);
  const change = member.alive ? moved(watched.moves, member.id, twins) : 0;
  return (
    <>
      {shown.length > 1 && (
        <td class="twins-bar" aria-hidden="true">
          <span style={{ width: `${(twins / most) * 100}%` }} />
        </td>
      )}
      <td class="twins-count">
        <span class="count">{formatNumber(twins)}</span>
        {!member.alive && " before"}
        {member.alive && shown.length > 1 && (
          <span class="quiet wider"> {Math.round((twins / Math.max(1, sum)) * 100)} %</span>
        )}
        {change !== 0 && <b class="moved"> {change > 0 ? `+${formatNumber(change)}` : formatNumber(change)}</b>}
      </td>
    </>
  );
}

function twinsOf({ status }: Member): number {
  return typeof status.twins === "number" ? status.twins : 0;
}
