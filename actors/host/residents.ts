import type { Reply, TwinInput } from "../../core/device/inputs.ts";
import type { Twin } from "../../core/device/twin.ts";

/** A twin in memory. Twins are immutable: holding one is holding a snapshot. */
export type Resident = {
  twin: Twin;
  /** Every record of the twin lies below this offset; durable when the log is durable up to it. */
  includes: number;
  /** Offset of the oldest record that no checkpoint has; -1 when the checkpoint is current. */
  dirtyFrom: number;
  /** Our clock's epoch ms when the twin last had a turn. */
  touchedMs: number;
  /** The checkpoint slice that captured the twin last: it may leave memory once that slice is saved. */
  slice: number;
  /** When the timer wheel will wake it, epoch ms; Infinity if it will not. */
  wakesMs: number;
};

/** An input that waits while its twin is being loaded. */
export type Waiting = { readonly input: TwinInput; readonly done: (reply: Reply) => void };

export function newResident(twin: Twin, includes: number, touchedMs: number): Resident {
  return { twin, includes, dirtyFrom: -1, touchedMs, slice: 0, wakesMs: Number.POSITIVE_INFINITY };
}
