import type { DeviceEvent, Status } from "./contract.ts";

/** A stretch of one status. `unknown` is before the first thing we know. */
export type Span = { status: Status | "unknown"; fromMs: number; toMs: number };

/**
 * The statuses between `fromMs` and `toMs`, without gaps, from presence events (newest first, as the API gives them)
 * and what is true now. Only announced changes count: a short reconnect within grace was never offline.
 */
export function presenceSpans(
  events: DeviceEvent[],
  current: { status: Status; sinceMs: number | null },
  fromMs: number,
  toMs: number,
): Span[] {
  const edges = events.flatMap(announcement).sort((a, b) => a.atMs - b.atMs);
  const newest = edges.at(-1);
  if (current.sinceMs !== null && (!newest || (current.sinceMs > newest.atMs && current.status !== newest.status))) {
    edges.push({ status: current.status, atMs: current.sinceMs });
  }
  const spans: Span[] = [];
  let status: Span["status"] = "unknown";
  let startMs = fromMs;
  const close = (endMs: number) => {
    if (endMs > startMs) spans.push({ status, fromMs: startMs, toMs: endMs });
    startMs = Math.max(startMs, endMs);
  };
  for (const edge of edges) {
    if (edge.atMs > toMs) break;
    if (edge.status === status) continue;
    if (edge.atMs > fromMs) close(edge.atMs);
    status = edge.status;
  }
  close(toMs);
  return spans;
}

/** Share of the known time that the device was online, 0 to 1; null if nothing is known. */
export function uptime(spans: Span[]): number | null {
  let known = 0;
  let online = 0;
  for (const span of spans) {
    if (span.status === "unknown") continue;
    known += span.toMs - span.fromMs;
    if (span.status === "online") online += span.toMs - span.fromMs;
  }
  return known === 0 ? null : online / known;
}

function announcement(event: DeviceEvent): { status: Status; atMs: number }[] {
  const { kind, status, since, at } = event;
  if (kind !== "presence" || (status !== "online" && status !== "offline")) return [];
  return [{ status, atMs: Date.parse(typeof since === "string" ? since : at) }];
}
