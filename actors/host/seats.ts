import type { TurnReceipt } from "../../core/device/receipts.ts";
import { newTwin, type Twin } from "../../core/device/twin.ts";
import type { PublishableRecord } from "../../ports/record-log/port.ts";
import type { SoftStateStore } from "../../ports/soft-state/port.ts";
import type { TwinStateStore } from "../../ports/twin-state/port.ts";
import { EarlyWords } from "./early-words.ts";
import { noTimer, type Timer } from "./timer-wheel.ts";

/** A twin's place on this host, for as long as its actor lives here. */
export type Seat = {
  readonly device: string;
  twin: Twin;
  /** Of the state that the twin was read at, or committed with last. */
  revision: number;
  receipts: readonly TurnReceipt[];
  /** Why its state cannot be read; null if it can. */
  unreadable: string | null;
  /** Memory may be behind the truth: it is read again before the next turn. */
  doubtful: boolean;
  /** Whether soft state has changed since it was saved. */
  dirty: boolean;
  timer: Timer;
  readonly early: EarlyWords;
  touchedMs: number;
  /** Batches that are taken or wait for it. */
  queued: number;
  /** The last of the turns that were asked for; each begins when the one before has ended. */
  last: Promise<unknown>;
};

export function newSeat(device: string, nowMs: number): Seat {
  return {
    device,
    twin: newTwin(device),
    revision: 0,
    receipts: [],
    unreadable: null,
    doubtful: true,
    dirty: false,
    timer: noTimer,
    early: new EarlyWords(),
    touchedMs: nowMs,
    queued: 0,
    last: Promise.resolve(),
  };
}

type Loading = { readonly seat: Seat; readonly done: () => void; readonly fail: (error: Error) => void };

/** Reads seats from the stores, those that are asked for in one turn of the event loop together. */
export class SeatLoader {
  readonly #store: Pick<TwinStateStore, "load">;
  readonly #soft: Pick<SoftStateStore, "load">;
  readonly #onUnpublished: (records: readonly PublishableRecord[]) => void;
  #waiting: Loading[] = [];

  constructor(
    store: Pick<TwinStateStore, "load">,
    soft: Pick<SoftStateStore, "load">,
    onUnpublished: (records: readonly PublishableRecord[]) => void,
  ) {
    this.#store = store;
    this.#soft = soft;
    this.#onUnpublished = onUnpublished;
  }

  /** Brings the seat up to the truth; rejects when the store does not answer. */
  load(seat: Seat): Promise<void> {
    return new Promise((done, fail) => {
      this.#waiting.push({ seat, done, fail });
      if (this.#waiting.length === 1) setImmediate(() => void this.#loadAll());
    });
  }

  async #loadAll(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < batch.length; from += maxLoaded)
      await this.#loadSome(batch.slice(from, from + maxLoaded));
  }

  async #loadSome(batch: readonly Loading[]): Promise<void> {
    const devices = [...new Set(batch.map(({ seat }) => seat.device))];
    try {
      const [states, softStates] = await Promise.all([this.#store.load(devices), this.#soft.load(devices)]);
      for (const { seat, done } of batch) {
        const state = states.get(seat.device);
        if (state !== undefined && "unreadable" in state) {
          seat.unreadable = state.unreadable;
          done();
          continue;
        }
        const revision = state?.revision ?? 0;
        seat.unreadable = null;
        seat.doubtful = false;
        if (revision !== seat.revision) {
          seat.revision = revision;
          seat.twin = state?.twin ?? newTwin(seat.device);
          seat.dirty = false;
        }
        seat.receipts = state?.receipts ?? [];
        const soft = softStates.get(seat.device);
        if (soft !== undefined && soft.revision === revision && soft.twin.revision > seat.twin.revision)
          seat.twin = soft.twin;
        if (state !== undefined && state.unpublished.length > 0) this.#onUnpublished(state.unpublished);
        done();
      }
    } catch (error) {
      for (const { fail } of batch) fail(error as Error);
    }
  }
}

const maxLoaded = 500;
