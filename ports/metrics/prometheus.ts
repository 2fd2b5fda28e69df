import { Counter, Gauge, Histogram, Registry } from "prom-client";

/**
 * What Doppel counts, under the names that `/metrics` shows (Prometheus text format 0.0.4).
 * Gauges read their value when they are scraped.
 */
export type Metrics = {
  readonly registry: Registry;
  readonly received: Tally;
  readonly telemetry: Tally;
  readonly acknowledged: Tally;
  readonly refused: Counter<"reason">;
  readonly deadLetters: Counter<"reason">;
  readonly connectionsRefused: Counter<"reason">;
  readonly violations: Counter<"reason">;
  readonly commitSeconds: Histogram;
  readonly commitRecords: Histogram;
  readonly presenceAnnounced: Counter<"status">;
  /** Shows a number that is asked for at each scrape. */
  gauge(name: string, help: string, read: () => number): void;
  /** The same, for several labelled numbers. */
  labelledGauge(
    name: string,
    help: string,
    label: string,
    read: () => Promise<Record<string, number>> | Record<string, number>,
  ): void;
  /** Numbers under several labels, asked for at each scrape. Whoever gives them keeps them few. */
  multiGauge(name: string, help: string, labels: readonly string[], read: () => readonly LabelledValue[]): void;
  /** The same of what only grows. */
  labelledCounter(name: string, help: string, labels: readonly string[], read: () => readonly LabelledValue[]): void;
};

export type LabelledValue = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

/** A counter for the hot path: a number by label value, handed to the registry only when it is scraped. */
export class Tally {
  readonly #counts = new Map<string, number>();

  /** `label` is left out by a tally without one. */
  add(label = "", count = 1): void {
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + count);
  }

  entries(): IterableIterator<[string, number]> {
    return this.#counts.entries();
  }
}

export function openMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
    new Counter<L>({ name, help, labelNames, registers });
  const tally = (name: string, help: string, label?: string) => {
    const counts = new Tally();
    new Counter({
      name,
      help,
      labelNames: label === undefined ? [] : [label],
      registers,
      collect() {
        this.reset();
        for (const [value, count] of counts.entries()) this.inc(label === undefined ? {} : { [label]: value }, count);
      },
    });
    return counts;
  };
  return {
    registry,
    received: tally("doppel_mqtt_received_total", "MQTT publishes received, by what their topic means", "kind"),
    telemetry: tally(
      "doppel_telemetry_messages_total",
      "Telemetry messages: accepted, duplicate or refused",
      "outcome",
    ),
    acknowledged: tally(
      "doppel_mqtt_acknowledged_total",
      "MQTT publishes whose effect is durable and was acknowledged",
    ),
    refused: counter("doppel_mqtt_refused_total", "MQTT publishes refused, by reason", "reason"),
    deadLetters: counter("doppel_dead_letters_total", "Messages in the dead-letter log, by reason", "reason"),
    connectionsRefused: counter("doppel_mqtt_connections_refused_total", "MQTT connections refused", "reason"),
    violations: counter("doppel_mqtt_violations_total", "MQTT connections ended for breaking the protocol", "reason"),
    commitSeconds: new Histogram({
      name: "doppel_commit_seconds",
      help: "Time from handing a batch to the log until it was durable",
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
    commitRecords: new Histogram({
      name: "doppel_commit_records",
      help: "Records in a batch",
      buckets: [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000],
      registers,
    }),
    presenceAnnounced: counter("doppel_presence_announced_total", "Devices announced online or offline", "status"),
    gauge(name, help, read) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    },
    labelledGauge(name, help, label, read) {
      new Gauge({
        name,
        help,
        labelNames: [label],
        registers,
        async collect() {
          this.reset();
          for (const [value, count] of Object.entries(await read())) this.set({ [label]: value }, count);
        },
      });
    },
    multiGauge(name, help, labelNames, read) {
      new Gauge({
        ...{ name, help, labelNames, registers },
        collect() {
          this.reset();
          for (const { labels, value } of read()) this.set(labels, value);
        },
      });
    },
    labelledCounter(name, help, labelNames, read) {
      new Counter({
        ...{ name, help, labelNames, registers },
        collect() {
          this.reset();
          for (const { labels, value } of read()) this.inc(labels, value);
        },
      });
    },
  };
}
