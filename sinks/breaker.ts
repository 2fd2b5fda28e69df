/**
 * A circuit breaker before a storage: while that is away, whoever has work for it is told at once instead of each waiting
 * for a connection, and one at a time tries whether it is back. The back-off of loops and partitions stays as it is.
 *
 * O1 Closed: everything goes through. After `failures` in a row that say "away", it opens.
 * O2 Open: everything fails with `CircuitOpen`, for `firstMs`, and twice as long each time it opens again, up to `maxMs`.
 * O3 Half-open: one goes through, the others fail as before. It succeeds: closed; it fails: open.
 * O4 An error of any other kind says that the storage is there.
 */
import type { Archive } from "../ports/archive/port.ts";
import { pauseAfter } from "../ports/record-log/back-off.ts";
import { isStorageAway } from "./storage-away.ts";
import type { SinkTarget } from "./target.ts";

export type BreakerState = "closed" | "open" | "half-open";

export type BreakerOptions = {
  readonly failures?: number;
  readonly firstMs?: number;
  readonly maxMs?: number;
  readonly isAway?: (error: unknown) => boolean;
  readonly now?: () => number;
};

export class Breaker {
  readonly #options: Required<BreakerOptions>;
  #failed = 0;
  #opened = 0;
  #untilMs = 0;
  #trying = false;

  constructor(options: BreakerOptions = {}) {
    const defaults = { failures: 3, firstMs: 1_000, maxMs: 5_000, isAway: isStorageAway, now: Date.now };
    this.#options = { ...defaults, ...options };
  }

  get state(): BreakerState {
    if (this.#opened === 0) return "closed";
    return this.#trying || this.#options.now() >= this.#untilMs ? "half-open" : "open";
  }

  /** Rejects with `CircuitOpen`, or with what the work rejects with. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const isTrial = this.#opened > 0;
    if (isTrial) {
      const leftMs = this.#untilMs - this.#options.now();
      if (this.#trying || leftMs > 0) throw new CircuitOpen(Math.max(0, leftMs));
      this.#trying = true;
    }
    try {
      const result = await work();
      this.#close();
      return result;
    } catch (error) {
      if (this.#options.isAway(error)) this.#fail(isTrial);
      else this.#close(); // O4
      throw error;
    } finally {
      if (isTrial) this.#trying = false;
    }
  }

  #close(): void {
    this.#failed = 0;
    this.#opened = 0;
  }

  #fail(isTrial: boolean): void {
    this.#failed += 1;
    // What was under way when it opened says nothing new.
    if (!isTrial && (this.#opened > 0 || this.#failed < this.#options.failures)) return;
    this.#opened += 1;
    this.#untilMs = this.#options.now() + pauseAfter(this.#opened, this.#options);
  }
}

/** The storage was away when it was last asked: come again. */
export class CircuitOpen extends Error {
  override readonly name = "CircuitOpen";
  readonly code = "CIRCUIT_OPEN";
  readonly retry = "later";

  /** Until it is tried again; 0: it is being tried. */
  readonly leftMs: number;

  constructor(leftMs: number) {
    super(`The sink's storage is away; it is tried again in ${Math.ceil(leftMs / 1_000)} s, or is being tried.`);
    this.leftMs = leftMs;
  }
}

/**
 * The sink's questions and commits go through the breaker; its chores do not, they are few. For a sink whose commits reach
 * the storage; of one that gathers, what it gathers for does (archiveThrough).
 */
export function withBreaker(target: SinkTarget, breaker: Breaker): SinkTarget {
  const { refusals } = target;
  return {
    ...target,
    progress: () => breaker.run(() => target.progress()),
    progressIn: (partition) => breaker.run(() => target.progressIn(partition)),
    commit: (items, progress) => breaker.run(() => target.commit(items, progress)),
    ...(refusals !== undefined && { refusals: (items) => breaker.run(() => refusals(items)) }),
    breaker: () => breaker.state,
  };
}

/**
 * An archive whose files are stored through the breaker. All else may be answered by its list alone, and would close the
 * circuit while the place of the files is away or full.
 */
export function archiveThrough(archive: Archive, breaker: Breaker): Archive {
  return {
    ...archive,
    write: (rows, progress) => {
      const write = () => archive.write(rows, progress);
      return rows.length === 0 ? write() : breaker.run(write);
    },
  };
}
