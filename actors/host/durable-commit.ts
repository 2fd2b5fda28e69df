import type { TwinStateStore, TwinWrite } from "../../ports/twin-state/port.ts";

export type DurableCommitOptions = {
  readonly store: Pick<TwinStateStore, "commit">;
  readonly flushMs: number;
  /** 500 */
  readonly maxWrites?: number;
  /** Commits under way at a time; 3. */
  readonly concurrency?: number;
  readonly observe: (seconds: number, writes: number) => void;
};

export type CommitOutcome = "committed" | "stale";

type Waiting = {
  readonly write: TwinWrite;
  readonly settle: (outcome: CommitOutcome) => void;
  readonly fail: (error: Error) => void;
};

/**
 * Writes of many actors share a commit of the fenced store. An actor has one write under way at a time, so commits that
 * run side by side never meet. While one is under way the next one gathers: it begins beside it only when it is large.
 */
export class DurableCommit {
  readonly #options: DurableCommitOptions;
  #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | null = null;
  #underWay = 0;

  constructor(options: DurableCommitOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when it is durable, or refused; rejects when the store could not say. */
  add(write: TwinWrite): Promise<CommitOutcome> {
    return new Promise((settle, fail) => {
      this.#waiting.push({ write, settle, fail });
      this.#timer ??= setTimeout(() => {
        this.#timer = null;
        this.#flush();
      }, this.#options.flushMs);
    });
  }

  #flush(): void {
    const { concurrency = 3, maxWrites = 500 } = this.#options;
    while (this.#waiting.length > 0 && this.#underWay < concurrency) {
      if (this.#underWay > 0 && this.#waiting.length < largeCommit) return;
      this.#underWay += 1;
      void this.#commit(this.#waiting.splice(0, maxWrites)).finally(() => {
        this.#underWay -= 1;
        if (this.#timer === null) this.#flush();
      });
    }
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const startedAt = performance.now();
    try {
      const outcomes = await this.#options.store.commit(batch.map(({ write }) => write));
      this.#options.observe((performance.now() - startedAt) / 1_000, batch.length);
      for (const [index, { settle }] of batch.entries()) settle(outcomes[index] ?? "stale");
    } catch (error) {
      for (const { fail } of batch) fail(error as Error);
    }
  }
}

/** A commit of so many writes costs little more per write than a larger one. */
const largeCommit = 64;
