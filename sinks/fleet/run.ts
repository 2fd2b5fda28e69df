import type { FleetIndex } from "../../ports/fleet-index/port.ts";
import type { Target } from "../consumer.ts";
import type { PartitionTarget } from "../partition-sink.ts";
import { deviceEventsOf } from "./fold.ts";

/** The whole log into the fleet index, which folds it further. */
export function fleetTarget(fleet: FleetIndex): Target & PartitionTarget {
  return {
    name: "fleet",
    progress: () => fleet.progress(),
    progressIn: (partition) => fleet.progressIn(partition),
    commit: (items, progress) => fleet.apply(deviceEventsOf(items), progress),
    weigh: () => 1,
  };
}
