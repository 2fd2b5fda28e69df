import type { Reply, TwinInput } from "../../core/device/inputs.ts";
import type { Twin } from "../../core/device/twin.ts";
import { noTimer, type Timer } from "./timer-wheel.ts";

/**
 * A twin in memory. Twins are immutable: holding one is holding a snapshot.
 * There are a million: small whole numbers lie in the object, others (epoch ms) would take 16 bytes more each.
 */
export type Resident = {
  twin: Twin;
  /** Every record of the twin lies below this offset; durable when the log is durable up to it. */
  includes: number;
  /** Offset of the oldest record that no checkpoint has; -1 when the checkpoint is current. */
  dirtyFrom: number;
  /** The host's tick in which the twin last had a turn. */
  touched: number;
  /** The checkpoint slice that captured the twin last: it may leave memory once that slice is saved. */
  slice: number;
  /** What will wake it. */
  timer: Timer;
};

/** Where a device's twin is: in memory, or in the store, and only its timer is here. */
export type Place = Resident | Timer;

/** An input that waits while its twin is being loaded. */
export type Waiting = { readonly input: TwinInput; readonly done: (reply: Reply) => void };

export function newResident(twin: Twin, includes: number, touched: number): Resident {
  return { twin, includes, dirtyFrom: -1, touched, slice: 0, timer: noTimer };
}
