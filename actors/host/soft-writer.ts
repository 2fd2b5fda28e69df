import type { SoftStateStore } from "../../ports/soft-state/port.ts";
import type { Seat } from "./seats.ts";

/**
 * Saves soft state behind the turns: each `intervalMs` what has changed since, and what leaves memory with it. Nobody waits
 * for it, and a save that failed is not made again: the next change makes the next one.
 */
export class SoftWriter {
  readonly #store: Pick<SoftStateStore, "save">;
  readonly #intervalMs: number;
  #dirty: Seat[] = [];
  #savedMs = 0;
  #saving: Promise<unknown> = Promise.resolve();

  constructor(store: Pick<SoftStateStore, "save">, intervalMs: number) {
    this.#store = store;
    this.#intervalMs = intervalMs;
  }

  /** The seat's twin has changed; it is saved as it is when its turn comes. */
  mark(seat: Seat): void {
    seat.dirty = true;
    this.#dirty.push(seat);
  }

  /** As `mark`, for a seat that leaves memory: nothing if it has not changed. */
  keep(seat: Seat): void {
    if (seat.dirty) this.#dirty.push(seat);
  }

  tick(nowMs: number, isHere: (seat: Seat) => boolean): void {
    if (nowMs - this.#savedMs < this.#intervalMs) return;
    this.#savedMs = nowMs;
    this.#save(isHere);
  }

  async flush(isHere: (seat: Seat) => boolean): Promise<void> {
    this.#save(isHere);
    await this.#saving;
  }

  close(): Promise<void> {
    return this.flush(() => true);
  }

  #save(isHere: (seat: Seat) => boolean): void {
    // A durable turn has stored what was dirty; a doubtful seat may be another host's, whose word is newer.
    const due = new Set(this.#dirty.filter((seat) => seat.dirty && !(seat.doubtful && isHere(seat))));
    this.#dirty = [];
    if (due.size === 0) return;
    const twins = [...due].map((seat) => {
      seat.dirty = false;
      return { twin: seat.twin, revision: seat.revision };
    });
    this.#saving = this.#saving.then(() => this.#store.save(twins));
  }
}
