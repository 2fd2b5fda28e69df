import type { PublishableRecord, RecordPublisher } from "../../ports/record-log/port.ts";
import type { TwinStateStore } from "../../ports/twin-state/port.ts";

export type OutboxPumpOptions = {
  readonly store: Pick<TwinStateStore, "published" | "abandoned">;
  readonly publisher: Pick<RecordPublisher, "publish">;
  readonly now: () => number;
  readonly onTrouble: (error: Error) => void;
};

/**
 * Brings committed records to the log, in the order of their commits, however long the log is away, and strikes them off
 * the outbox. What this process does not live to publish is found by another one: by whoever loads the twin, or by
 * `relay`.
 *
 * O1 Records that were put in first are in the log first: one request at a time, and a failed one is tried again whole.
 * O2 Nobody waits for these records, so the first one waits a moment for others, and requests keep a distance: one costs
 *    what twenty records do. Whoever publishes by another way, and must not come first, calls `hurry` before.
 */
export class OutboxPump {
  readonly #options: OutboxPumpOptions;
  #queue: PublishableRecord[] = [];
  #published: PublishableRecord[] = [];
  /** Of all records that are here, in the queue or published: what is found in the outbox may be one of them. */
  readonly #ours = new Set<string>();
  #pumping: Promise<void> | null = null;
  /** Runs while the first record waits for others, and after a request that came early. */
  #gathering: NodeJS.Timeout | null = null;
  #striking: Promise<void> | null = null;
  #leaving = false;
  #closing = false;

  constructor(options: OutboxPumpOptions) {
    this.#options = options;
  }

  /** Records that are not in the log yet, as far as this process knows. */
  get waiting(): number {
    return this.#queue.length;
  }

  put(records: readonly PublishableRecord[]): void {
    if (records.length === 0) return;
    for (const record of records) {
      this.#ours.add(keyOf(record));
      this.#queue.push(record);
    }
    if (this.#pumping === null) this.#gather(gatherMs);
  }

  /** O2. What is here is on its way to the log when this returns. */
  hurry(): void {
    if (this.#gathering === null || this.#queue.length === 0) return;
    clearTimeout(this.#gathering);
    this.#gathering = null;
    if (!this.#closing) this.#pumping = this.#pump();
  }

  /** Takes over what is found in the outbox, but for what is here already. Gives how many. */
  takeOver(records: readonly PublishableRecord[]): number {
    const left = records.filter((record) => !this.#ours.has(keyOf(record)));
    this.put(left);
    return left.length;
  }

  /** Strikes published records off the outbox; to be called now and then. A failure only leaves copies. */
  async strike(): Promise<void> {
    if (this.#striking !== null || this.#published.length === 0) return;
    const records = this.#published.splice(0, maxStruck);
    this.#striking = this.#options.store.published(records).then(
      () => {
        for (const record of records) this.#ours.delete(keyOf(record));
      },
      (error: Error) => {
        this.#published.unshift(...records);
        this.#options.onTrouble(error);
      },
    );
    await this.#striking;
    this.#striking = null;
  }

  /** Publishes what has lain in the outbox for `abandonedAfterMs` and is not ours: its host died. Gives how many. */
  async relay(): Promise<number> {
    if (this.#queue.length > 0) return 0;
    const found = await this.#options.store.abandoned(this.#options.now() - abandonedAfterMs, maxRelayed);
    return this.takeOver(found);
  }

  /** Publishes what is there, for at most `withinMs`; the rest is another host's to find. */
  async close(withinMs: number): Promise<void> {
    this.#leaving = true;
    this.hurry();
    const timeOut = new Promise<void>((resolve) => setTimeout(resolve, withinMs).unref());
    if (this.#pumping !== null) await Promise.race([this.#pumping, timeOut]);
    this.#closing = true;
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    while (this.#published.length > 0) {
      const before = this.#published.length;
      await this.strike();
      if (this.#published.length >= before) return;
    }
  }

  #gather(forMs: number): void {
    this.#gathering ??= setTimeout(() => {
      if (this.#queue.length > 0) this.hurry();
      else this.#gathering = null;
    }, forMs);
  }

  async #pump(): Promise<void> {
    let failures = 0;
    let restMs = 0;
    while (this.#queue.length > 0 && restMs <= 0 && !this.#closing) {
      const records = this.#queue.slice(0, maxPublished);
      const startedAtMs = performance.now();
      try {
        await this.#options.publisher.publish(records);
      } catch (error) {
        this.#options.onTrouble(error as Error);
        const backOffMs = Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(failures, 10));
        failures += 1;
        await new Promise((resolve) => setTimeout(resolve, backOffMs));
        continue;
      }
      failures = 0;
      this.#queue.splice(0, records.length);
      this.#published.push(...records);
      const isLarge = this.#queue.length >= largeRequest;
      restMs = this.#leaving || isLarge ? 0 : startedAtMs + distanceMs - performance.now();
    }
    this.#pumping = null;
    if (restMs > 0) this.#gather(restMs);
  }
}

const gatherMs = 10;
/** From the beginning of a request to that of the next. */
const distanceMs = 50;
/** So many records do not wait for more. */
const largeRequest = 1_000;
const maxPublished = 2_000;
const maxStruck = 5_000;
const maxRelayed = 1_000;
const firstRetryMs = 20;
const maxRetryMs = 1_000;
/** Longer than a living host needs: what is younger is still its own. */
const abandonedAfterMs = 15_000;

function keyOf({ device, id }: PublishableRecord): string {
  return `${device}\n${id}`;
}
