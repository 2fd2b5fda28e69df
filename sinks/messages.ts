/** What the main thread and the sinks' worker tell each other. */
import type { QualityTotals } from "../ports/quality-stats/totals.ts";
import type { BreakerState } from "./breaker.ts";
import type { ConsumerStats } from "./consumer.ts";
import type { SinksSettings } from "./settings.ts";

export type WorkerData = SinksSettings & { readonly databaseUrl: string; readonly logRetentionMs: number };

/** `breaker`: null where the sink has none. */
export type ToldStats = ConsumerStats & { readonly breaker: BreakerState | null };

export type ToWorker = { readonly kind: "signal" } | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "ready" }
  /** By the sinks' names. */
  | { readonly kind: "stats"; readonly sinks: Readonly<Record<string, ToldStats>> }
  | { readonly kind: "quality"; readonly totals: QualityTotals }
  | { readonly kind: "warning"; readonly message: string };

/** What the sinks' thread is called, in the system's lists too. */
export const threadName = "sinks";
