import type { CommandLedger } from "./commands.ts";
import { emptyLedger } from "./commands.ts";
import type { DedupWindow } from "./dedup-window.ts";
import { emptyWindow } from "./dedup-window.ts";
import { type Metrics, noMetrics } from "./metrics.ts";
import type { Presence } from "./presence.ts";
import { neverSeen } from "./presence.ts";
import type { Registration } from "./registration.ts";
import type { Shadow } from "./shadow.ts";

/**
 * One device's twin: the fold of its records (`evolve`), and nothing else.
 * `registration: null` is a device that was never seen, or was deleted: there is nothing else in its twin then
 * but shadow tombstones.
 */
export type Twin = {
  readonly id: string;
  /** Grows by 1 with each record folded in. */
  readonly revision: number;
  readonly registration: Registration | null;
  readonly presence: Presence;
  /** The newest moment at which the device said anything, epoch ms of our clock; 0 if never. */
  readonly lastSeenMs: number;
  /** By shadow name; the classic shadow's name is "". */
  readonly shadows: Readonly<Record<string, Shadow>>;
  readonly commands: CommandLedger;
  /** The session that listens to its commands topic; "" if none does. */
  readonly commandSession: string;
  readonly dedup: DedupWindow;
  /** Latest value and running statistics by metric name. */
  readonly metrics: Metrics;
  /** Since when (its own time, epoch ms) each metric under a stuck-sensor rule has had its value; absent if none is. */
  readonly unchangedSince?: Readonly<Record<string, number>>;
};

/** One for all twins without shadows. */
const noShadows: Twin["shadows"] = {};

/** The twin of a device that nobody has heard of. */
export function newTwin(id: string): Twin {
  return {
    id,
    revision: 0,
    registration: null,
    presence: neverSeen,
    lastSeenMs: 0,
    shadows: noShadows,
    commands: emptyLedger,
    commandSession: "",
    dedup: emptyWindow,
    metrics: noMetrics,
  };
}
