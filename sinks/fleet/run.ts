import type { FleetIndex } from "../../ports/fleet-index/port.ts";
import { logTopics } from "../../ports/record-log/port.ts";
import type { SinkTarget } from "../target.ts";
import { deviceEventsOf } from "./fold.ts";

/** Times in ms. */
export type FleetSinkOptions = {
  readonly eventRetentionMs: number;
  /** What was last seen of a device that has been silent for so long is written; looked after as often. */
  readonly settleMs?: number;
};

/** The whole log into the fleet index, which folds it further. */
export function fleetTarget(fleet: FleetIndex, { eventRetentionMs, settleMs = 10_000 }: FleetSinkOptions): SinkTarget {
  return {
    name: "fleet",
    topics: logTopics,
    progress: () => fleet.progress(),
    progressIn: (partition) => fleet.progressIn(partition),
    commit: (items, progress) => fleet.apply(deviceEventsOf(items), progress),
    weigh: () => 1,
    chores: [
      {
        name: "retention",
        everyMs: 3_600_000,
        first: true,
        run: (nowMs) => fleet.trimEvents(nowMs - eventRetentionMs),
      },
      { name: "sightings", everyMs: settleMs, run: (nowMs) => fleet.settleSightings(nowMs - settleMs) },
    ],
    close: () => fleet.settleSightings(Number.POSITIVE_INFINITY),
  };
}
