import { now } from "../clock.ts";
import { formatAgo, formatLocal, formatUtc } from "../format.ts";

/** A moment in local time; UTC on hover. */
export function Time(props: { at: string | null | undefined }) {
  const atMs = moment(props.at);
  if (atMs === null) return <span class="quiet">never</span>;
  return (
    <time dateTime={new Date(atMs).toISOString()} title={formatUtc(atMs)}>
      {formatLocal(atMs, now.value)}
    </time>
  );
}

/** How long ago, kept current; the exact time on hover. */
export function Ago(props: { at: string | null | undefined; none?: string }) {
  const atMs = moment(props.at);
  if (atMs === null) return <span class="quiet">{props.none ?? "never"}</span>;
  return (
    <time dateTime={new Date(atMs).toISOString()} title={`${formatLocal(atMs, now.value)} local · ${formatUtc(atMs)}`}>
      {formatAgo(atMs, now.value)}
    </time>
  );
}

function moment(at: string | null | undefined): number | null {
  const atMs = at ? Date.parse(at) : Number.NaN;
  return Number.isNaN(atMs) ? null : atMs;
}
