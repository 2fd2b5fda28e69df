import type { Metrics } from "../../ports/metrics/prometheus.ts";
import type { DistributedHost } from "./distributed.ts";
import type { TwinHost } from "./port.ts";

/** Counts what a host commits. */
export function meterCommits(metrics: Metrics, host: Pick<TwinHost, "onCommitted">): void {
  host.onCommitted((turns) => {
    for (const { records } of turns) {
      for (const record of records) {
        if (record.kind === "deadLettered") metrics.deadLetters.inc({ reason: record.reason });
        else if (record.kind === "presence" && record.announced)
          metrics.presenceAnnounced.inc({ status: record.announced.status });
      }
    }
  });
}

/** Counts what the embedded host commits, and shows its sizes. */
export function meterHost(metrics: Metrics, host: TwinHost): void {
  meterCommits(metrics, host);
  metrics.gauge("doppel_twins_in_memory", "Twins in memory", () => host.stats().twinsInMemory);
  metrics.gauge("doppel_deadlines", "Deadlines in the timer wheel", () => host.stats().deadlines);
  metrics.gauge("doppel_turns_pending", "Turns that wait for their commit", () => host.stats().pending);
  metrics.gauge("doppel_log_offset", "Offset that the next record of the log gets", () => host.stats().committedOffset);
}

/** Shows the sizes of a host of the distributed mode. */
export function meterDistributedHost(
  metrics: Metrics,
  host: DistributedHost,
  sweeper: { readonly woken: number },
): void {
  const stats = () => host.stats();
  metrics.gauge("doppel_twins_in_memory", "Twins in memory", () => stats().twinsInMemory);
  metrics.gauge("doppel_deadlines", "Deadlines in the timer wheel", () => stats().deadlines);
  metrics.gauge("doppel_turns_pending", "Turns that wait for their commit", () => stats().pending);
  metrics.gauge("doppel_outbox_waiting", "Committed records that are not in the log yet", () => stats().outboxWaiting);
  metrics.gauge("doppel_turns_taken", "Turns since the start of the process", () => stats().turns);
  metrics.gauge(
    "doppel_turns_stale",
    "Batches of turns refused because another host had the twin",
    () => stats().stale,
  );
  metrics.gauge(
    "doppel_turns_repeated",
    "Turns that came again and were answered from a receipt",
    () => stats().repeated,
  );
  metrics.gauge("doppel_sends_failed", "Messages to devices that did not go out", () => stats().unsent);
  metrics.gauge(
    "doppel_twins_unreadable",
    "Turns of twins whose stored state cannot be read",
    () => stats().unreadable,
  );
  metrics.gauge("doppel_sweeper_woken", "Twins that the sweepers of this process have woken", () => sweeper.woken);
}
