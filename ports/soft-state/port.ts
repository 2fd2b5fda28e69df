import type { Twin } from "../../core/device/twin.ts";

/** A twin with what changed since its last durable turn: last seen, dedup window, latest values, statistics. */
export type SoftTwin = {
  readonly twin: Twin;
  /** Of the durable state that it goes with: with another one it is of no use. */
  readonly revision: number;
};

/**
 * Soft state of twins: written behind, about each second, and taken back when a twin comes into memory on some host.
 * Nothing hangs on it: what is lost is counted in seconds of statistics.
 *
 * S1 `save` and `load` never reject. `load` never takes longer than the time-out that the store was opened with; `save`,
 *    which may be of tens of thousands, never waits longer than that for an answer, and ends with the first that does
 *    not come. What could not be done counts as not there, and is told by `away`.
 * S2 What was saved last is loaded (of two hosts that both save: either).
 */
export interface SoftStateStore {
  /** How many were saved: the first ones. */
  save(twins: readonly SoftTwin[]): Promise<number>;
  load(devices: readonly string[]): Promise<Map<string, SoftTwin>>;
  /** Why the store did not answer last time; null if it did. */
  readonly away: string | null;
  close(): Promise<void>;
}
