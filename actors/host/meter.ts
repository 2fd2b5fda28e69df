import type { Metrics } from "../../ports/metrics/prometheus.ts";
import type { TwinHost } from "./port.ts";

/** Counts what the host commits, and shows its sizes. */
export function meterHost(metrics: Metrics, host: TwinHost): void {
  host.onCommitted((turns) => {
    for (const { records } of turns) {
      for (const record of records) {
        if (record.kind === "deadLettered") metrics.deadLetters.inc({ reason: record.reason });
        else if (record.kind === "presence" && record.announced)
          metrics.presenceAnnounced.inc({ status: record.announced.status });
      }
    }
  });
  metrics.gauge("doppel_twins_in_memory", "Twins in memory", () => host.stats().twinsInMemory);
  metrics.gauge("doppel_deadlines", "Deadlines in the timer wheel", () => host.stats().deadlines);
  metrics.gauge("doppel_turns_pending", "Turns that wait for their commit", () => host.stats().pending);
  metrics.gauge("doppel_log_offset", "Offset that the next record of the log gets", () => host.stats().committedOffset);
}
