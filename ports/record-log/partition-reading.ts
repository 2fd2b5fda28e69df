/**
 * Where one consumer stands in one partition: turns what was read of it into batches for `LogConsumer.take`, without
 * copies (R5) and without what cannot be read (R6). Leaves reading, waiting and repeating to the implementations.
 *
 * Reading begins `copyWindow` records before the progress: those only fill the window. After a batch that failed, a
 * new reading is made: this one has noted the batch's records already.
 */
import { CopyWindow, hash53 } from "./copy-window.ts";
import type { KeptOffsets, LogBatch, LoggedRecord, Partition } from "./port.ts";

/** Something in the log that is no record. */
export type Unreadable = { readonly offset: number; readonly error: Error };

export type ReadingOptions = {
  /** How many records before the progress are read again to know their copies. */
  readonly copyWindow: number;
  /** A batch holds at most so many. */
  readonly maxRecords: number;
  readonly onTrouble: (error: Error) => void;
};

export class PartitionReading {
  readonly #partition: Partition;
  readonly #options: ReadingOptions;
  readonly #window: CopyWindow;
  readonly #takeFrom: number;
  #next: number;
  #progress: number;

  /** @param stored the consumer's stored progress, null if it has none */
  constructor(partition: Partition, stored: number | null, kept: KeptOffsets, options: ReadingOptions) {
    this.#partition = partition;
    this.#options = options;
    this.#window = new CopyWindow(options.copyWindow);
    const ahead = stored !== null && stored > kept.end;
    if (ahead)
      options.onTrouble(
        new Error(
          `The progress in ${placeOf(partition)} is ${stored}, but the log ends at ${kept.end}: records were lost or the ` +
            `topic was made anew. Reading begins at the oldest record, ${kept.low}.`,
        ),
      );
    this.#takeFrom = stored === null || ahead ? kept.low : Math.max(stored, kept.low);
    this.#progress = stored ?? kept.low;
    this.#next = Math.max(kept.low, this.#takeFrom - options.copyWindow);
  }

  /** The offset to read from. */
  get next(): number {
    return this.#next;
  }

  /** The consumer's progress after the batches that were taken. */
  get progress(): number {
    return this.#progress;
  }

  /**
   * Batches of what was read from `next` up to before `end`, in order. A batch counts as taken when the next one is
   * asked for. Its records may be none, when all were copies: the progress still moves.
   */
  *batches(read: readonly (LoggedRecord | Unreadable)[], end: number): Generator<LogBatch, void> {
    let records: LoggedRecord[] = [];
    for (const item of read) {
      if (item.offset < this.#next) continue;
      if (records.length >= this.#options.maxRecords) {
        yield this.#batch(records, item.offset);
        this.#progress = item.offset;
        records = [];
      }
      this.#next = item.offset + 1;
      if ("error" in item) {
        if (item.offset >= this.#takeFrom) this.#tell(item);
        continue;
      }
      const isCopy = this.#window.note(hash53(item.device, item.id));
      if (!isCopy && item.offset >= this.#takeFrom) records.push(item);
    }
    this.#next = Math.max(this.#next, end);
    if (this.#next <= this.#takeFrom) return;
    if (records.length === 0 && this.#next === this.#progress) return;
    yield this.#batch(records, this.#next);
    this.#progress = this.#next;
  }

  #batch(records: readonly LoggedRecord[], next: number): LogBatch {
    return { ...this.#partition, records, from: this.#progress, next };
  }

  #tell({ offset, error }: Unreadable): void {
    this.#options.onTrouble(
      new Error(`${placeOf(this.#partition)} offset ${offset} is left out: ${error.message}`, { cause: error }),
    );
  }
}

/** "device-events/3" */
export function placeOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`;
}
