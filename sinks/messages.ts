/** What the main thread and the sinks' worker tell each other. */
import type { ConsumerStats } from "./consumer.ts";
import type { RetentionTimes } from "./retention.ts";

export type SinkName = "timeseries" | "fleet";

export type WorkerData = RetentionTimes & { readonly databaseUrl: string };

export type ToWorker = { readonly kind: "signal" } | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "stats"; readonly sinks: Readonly<Record<SinkName, ConsumerStats>> }
  | { readonly kind: "warning"; readonly message: string };

/** What the sinks' thread is called, in the system's lists too. */
export const threadName = "sinks";
