import type { Checkpoint, TwinStore } from "../../ports/twin-store/port.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { Resident } from "./residents.ts";

/**
 * Writes twins behind the log, a slice at a time, each at most once per `intervalMs`.
 *
 * C1 A checkpoint never runs ahead of the log: a slice is captured first, and saved only when the log is durable up
 *    to its capture.
 * C2 `replayFrom` is the oldest record that is in no saved checkpoint.
 */
export class Checkpointer {
  readonly #store: TwinStore;
  readonly #commit: GroupCommit;
  readonly #intervalMs: number;
  readonly #sliceSize: number;
  readonly #now: () => number;
  readonly #deadlineOf: (resident: Resident) => number | null;
  /** Dirty residents in the order of their `dirtyFrom`, with the moment they became dirty. */
  #queue: { resident: Resident; sinceMs: number }[] = [];
  #head = 0;
  #slice = 0;
  #savedSlice = 0;
  #saving: Promise<void> | null = null;

  constructor(options: {
    store: TwinStore;
    commit: GroupCommit;
    intervalMs: number;
    sliceSize?: number;
    now: () => number;
    deadlineOf: (resident: Resident) => number | null;
  }) {
    this.#store = options.store;
    this.#commit = options.commit;
    this.#intervalMs = options.intervalMs;
    this.#sliceSize = options.sliceSize ?? 250;
    this.#now = options.now;
    this.#deadlineOf = options.deadlineOf;
  }

  get dirty(): number {
    return this.#queue.length - this.#head;
  }

  /** The newest slice that is in the store: residents captured up to it and clean may leave memory. */
  get savedSlice(): number {
    return this.#savedSlice;
  }

  /** The resident's records from `offset` on are in no checkpoint yet. `sinceMs`: from when its interval counts. */
  markDirty(resident: Resident, offset: number, sinceMs = this.#now()): void {
    if (resident.dirtyFrom >= 0) return;
    resident.dirtyFrom = offset;
    this.#queue.push({ resident, sinceMs });
  }

  /** Saves the next slice if one is due and none is being saved. Rejects when the store failed. */
  async tick(): Promise<void> {
    if (this.#saving !== null) return;
    await this.#save(this.#now() - this.#intervalMs);
  }

  /** Saves everything that is dirty. */
  async flush(): Promise<void> {
    while (this.#saving !== null || this.dirty > 0) {
      await (this.#saving ?? this.#save(Number.POSITIVE_INFINITY));
    }
  }

  async #save(dirtySinceAtMost: number): Promise<void> {
    const captured = this.#capture(dirtySinceAtMost);
    if (captured.length === 0) return;
    const slice = this.#slice;
    const capturedAt = this.#commit.nextOffset;
    const replayFrom = this.dirty > 0 ? this.#queue[this.#head]!.resident.dirtyFrom : capturedAt;
    this.#saving = this.#commit
      .durable(capturedAt)
      .then(() => this.#store.save(captured, replayFrom))
      .then(() => {
        this.#savedSlice = slice;
      })
      .finally(() => {
        this.#saving = null;
      });
    await this.#saving;
  }

  #capture(dirtySinceAtMost: number): Checkpoint[] {
    const captured: Checkpoint[] = [];
    const nextOffset = this.#commit.nextOffset;
    while (captured.length < this.#sliceSize && this.#head < this.#queue.length) {
      const { resident, sinceMs } = this.#queue[this.#head]!;
      if (sinceMs > dirtySinceAtMost) break;
      this.#head += 1;
      if (captured.length === 0) this.#slice += 1;
      resident.dirtyFrom = -1;
      resident.slice = this.#slice;
      captured.push({ twin: resident.twin, nextOffset, deadlineMs: this.#deadlineOf(resident) });
    }
    if (this.#head > 4096 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return captured;
  }
}
