import type { Metrics } from "../ports/metrics/prometheus.ts";
import { pause } from "../ports/record-log/back-off.ts";
import type { SinkDeadLetters } from "../ports/sink-dead-letters/port.ts";
import type { BreakerState } from "./breaker.ts";

export type SinkNumbers = {
  /** By sink. */
  readonly lag: () => Readonly<Record<string, number>>;
  /** By sink; null: it has none. */
  readonly breakers: () => Readonly<Record<string, BreakerState | null>>;
  readonly deadLetters: () => ReturnType<SinkDeadLetters["counts"]>;
};

/** A scrape does not wait longer for the database. */
const countMs = 1_000;

const numbers: Record<BreakerState, number> = { closed: 0, "half-open": 1, open: 2 };

/** Shows how far the sinks are, whether their storage is there, and what it has refused. Both modes do so. */
export function meterSinks(metrics: Metrics, { lag, breakers, deadLetters }: SinkNumbers): void {
  metrics.labelledGauge("doppel_sink_lag_records", "Records of the log that a sink has not taken in", "sink", () => ({
    ...lag(),
  }));
  metrics.labelledGauge(
    "doppel_sink_breaker",
    "Circuit to the sink's storage: 0 closed, 1 half-open (tries whether it is back), 2 open",
    "sink",
    () =>
      Object.fromEntries(
        Object.entries(breakers()).flatMap(([name, state]) => (state === null ? [] : [[name, numbers[state]]])),
      ),
  );
  metrics.labelledGauge(
    "doppel_sink_dead_letters",
    "Parts of records that the sink's storage refused and that are set aside",
    "sink",
    newestOf(deadLetters),
  );
}

/** While the database is away or slow: what it said last. */
function newestOf(count: SinkNumbers["deadLetters"]): () => Promise<Record<string, number>> {
  let newest: Readonly<Record<string, number>> = {};
  let asking: Promise<void> | null = null;
  async function ask(): Promise<void> {
    try {
      newest = await count();
    } catch {
      // Its absence is told elsewhere.
    } finally {
      asking = null;
    }
  }
  return async () => {
    asking ??= ask();
    const answered = new AbortController();
    await Promise.race([asking.finally(() => answered.abort()), pause(countMs, answered.signal)]);
    return { ...newest };
  };
}
