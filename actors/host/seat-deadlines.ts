/**
 * When the twins of this host are to be woken, and what the store's index says of it: the sweepers of other hosts look
 * there for deadlines that nobody watches any more.
 *
 * A deadline is a call to the actor, wherever it lives now: a host that lost a twin unheard judges nobody by old memory.
 */
import { nextDeadline } from "../../core/device/deadlines.ts";
import type { TwinPolicy } from "../../core/device/policy.ts";
import type { Twin } from "../../core/device/twin.ts";
import type { TwinStateStore } from "../../ports/twin-state/port.ts";
import { DeadlineClaims } from "./deadline-claims.ts";
import type { Seat } from "./seats.ts";
import { noTimer, TimerWheel } from "./timer-wheel.ts";

export type SeatDeadlinesOptions = {
  /** Those that live here. */
  readonly seats: ReadonlyMap<string, Seat>;
  readonly store: Pick<TwinStateStore, "adopt" | "release">;
  /** Epoch ms. */
  readonly now: () => number;
  readonly policyOf: (type: string) => TwinPolicy;
  /** Gives the twin a `deadline` turn, through the actor's address. Resolves when it had it; rejects if it never will. */
  readonly wake: (device: string) => Promise<unknown>;
  /** Its turn went to another host: what is here is nobody's. */
  readonly onElsewhere: (seat: Seat) => void;
  readonly logger: { readonly warn: (about: object, message: string) => void };
};

const wakesPerTick = 200;
const wakeAgainMs = 500;

export class SeatDeadlines {
  readonly #options: SeatDeadlinesOptions;
  readonly #wheel: TimerWheel;
  readonly #claims: DeadlineClaims;

  constructor(options: SeatDeadlinesOptions) {
    this.#options = options;
    this.#wheel = new TimerWheel(options.now());
    this.#claims = new DeadlineClaims(options.store);
  }

  get size(): number {
    return this.#wheel.size;
  }

  /** Epoch ms; null: nothing will come by itself. */
  of(twin: Twin): number | null {
    return nextDeadline(twin, { policyOf: this.#options.policyOf, node: null });
  }

  watch(seat: Seat): void {
    const deadlineMs = this.of(seat.twin);
    if (deadlineMs !== null && this.#isHere(seat))
      seat.timer = this.#wheel.schedule(seat.timer, seat.device, deadlineMs);
  }

  /** The seat was read: its deadline is this host's from now on. One that cannot be read is not sought again and again. */
  adopt(seat: Seat): void {
    if (seat.unreadable === null) this.watch(seat);
    if (seat.unreadable !== null || seat.timer !== noTimer) this.#claims.adopt(seat.device);
  }

  /** The twin leaves, and its deadline is somebody else's. */
  release(seat: Seat): void {
    if (this.of(seat.twin) !== null) this.#claims.release(seat.device);
  }

  /** The twin is nobody's business of ours. */
  forget(device: string): void {
    this.#claims.forget(device);
  }

  /** Wakes those that are due. */
  tick(nowMs: number): void {
    for (const device of this.#wheel.due(nowMs, wakesPerTick)) this.#wake(device, nowMs);
  }

  /** Tells the store's index. What it does not take is told with the next call. */
  async tell(): Promise<void> {
    await this.#claims.tell().catch((error: Error) => {
      this.#options.logger.warn({ error: error.message }, "the deadline index waits");
    });
  }

  #isHere(seat: Seat): boolean {
    return this.#options.seats.get(seat.device) === seat;
  }

  #wake(device: string, nowMs: number): void {
    const seat = this.#options.seats.get(device);
    if (seat === undefined) return;
    seat.timer = noTimer;
    const deadlineMs = this.of(seat.twin);
    if (deadlineMs === null || deadlineMs > nowMs) {
      this.watch(seat);
      return;
    }
    this.#options.wake(device).then(
      () => {
        if (seat.touchedMs < nowMs) this.#options.onElsewhere(seat);
      },
      (error: Error) => {
        this.#options.logger.warn({ device, error: error.message }, "a deadline waits");
        if (!this.#isHere(seat)) return;
        seat.timer = this.#wheel.schedule(seat.timer, device, this.#options.now() + wakeAgainMs);
      },
    );
  }
}
