import { unreachable } from "../unreachable.ts";
import { evolveCommands } from "./commands.ts";
import { remember } from "./dedup-window.ts";
import { observe } from "./metrics.ts";
import type { TelemetryAccepted, TwinRecord } from "./records.ts";
import { compact } from "./registration.ts";
import { evolveShadows } from "./shadow.ts";
import { newTwin, type Twin } from "./twin.ts";

/** The twin after `record`: the only way in which a twin changes, live and in a replay alike. */
export function evolve(twin: Twin, record: TwinRecord): Twin {
  const revision = twin.revision + 1;
  switch (record.kind) {
    case "telemetry":
      return observed(twin, record, revision);
    case "seen":
    case "deadLettered":
      return { ...twin, revision, lastSeenMs: Math.max(twin.lastSeenMs, record.atMs) };
    case "presence":
      return {
        ...twin,
        revision,
        presence: record.presence,
        lastSeenMs:
          record.edge === "connected" || record.edge === "heard"
            ? Math.max(twin.lastSeenMs, record.atMs)
            : twin.lastSeenMs,
      };
    case "listening":
      return { ...twin, revision, commandSession: record.session };
    case "registered":
    case "registrationChanged":
      return { ...twin, revision, registration: compact(record.registration) };
    case "deregistered":
      return { ...newTwin(twin.id), revision, shadows: twin.shadows };
    case "shadowUpdated":
    case "shadowDeleted":
      return { ...twin, revision, shadows: evolveShadows(twin.shadows, record) };
    case "commandRequested":
    case "commandMoved":
      return { ...twin, revision, commands: evolveCommands(twin.commands, record) };
    default:
      return unreachable(record);
  }
}

function observed(twin: Twin, record: TelemetryAccepted, revision: number): Twin {
  const unchangedSince = unchangedAfter(twin, record);
  const next: Twin = {
    id: twin.id,
    revision,
    registration: twin.registration,
    presence: twin.presence,
    lastSeenMs: Math.max(twin.lastSeenMs, record.atMs),
    shadows: twin.shadows,
    commands: twin.commands,
    commandSession: twin.commandSession,
    dedup: remember(twin.dedup, record.identity),
    metrics: observe(twin.metrics, record.readings, record.tsMs, record.atMs),
  };
  return unchangedSince === undefined ? next : { ...next, unchangedSince };
}

/** Those that the record tells; the others stay, but for readings whose rule is gone. */
function unchangedAfter({ unchangedSince }: Twin, record: TelemetryAccepted): Twin["unchangedSince"] {
  if (unchangedSince === undefined) return record.unchangedSince;
  const others = Object.entries(unchangedSince).filter(([metric]) => !Object.hasOwn(record.readings, metric));
  if (others.length === 0) return record.unchangedSince;
  return { ...Object.fromEntries(others), ...record.unchangedSince };
}
