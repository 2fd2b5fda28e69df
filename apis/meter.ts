import type { FleetIndex } from "../ports/fleet-index/port.ts";
import type { Metrics } from "../ports/metrics/prometheus.ts";

/** Shows how many devices there are, by status. */
export function meterFleet(metrics: Metrics, fleet: Pick<FleetIndex, "stats">): void {
  metrics.labelledGauge(
    "doppel_devices",
    "Devices by status; a flapping one counts in its status too",
    "status",
    async () => {
      const { online, offline, flapping } = await fleet.stats();
      return { online, offline, flapping };
    },
  );
}
