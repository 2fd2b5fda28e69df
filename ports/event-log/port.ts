import type { TwinRecord } from "../../core/device/records.ts";

/** One record and the device that it belongs to. */
export type LogEntry = { readonly device: string; readonly record: TwinRecord };

/**
 * The event log of one process group: a sequence of records with consecutive offsets from 0.
 *
 * L1 `append` resolves only when its records would survive a kill of every process and of the machine's power.
 * L2 Records are read back in the order of their offsets, each exactly once, whole batches or nothing.
 * L3 Appends are made one after another: a second `append` before the first has resolved throws.
 * L4 An append that fails leaves the log unusable (`LogBroken`): what memory believes is then ahead of the truth,
 *    and the caller ends the process (or loads everything anew).
 * L5 One writer at a time: opening a second writer on the same log throws `LogTaken`.
 */
export interface EventLog extends EventLogReader {
  /** Appends in order; resolves with the offset of the first. An empty list resolves with `end()`. */
  append(entries: readonly LogEntry[]): Promise<number>;
}

/** What consumers need of the log: they read it beside its writer, with offsets of their own. */
export interface EventLogReader {
  /**
   * Entries from `offset` (which may lie inside a batch) on: about `atMost`, always whole batches' tails, none if
   * `offset` is the end. `next` is where to go on. Asking below `start()` begins at `start()`.
   */
  read(offset: number, atMost: number): Promise<{ entries: { offset: number; entry: LogEntry }[]; next: number }>;
  /** The oldest offset that is still kept. */
  start(): Promise<number>;
  /** The offset that the next record will get. */
  end(): Promise<number>;
  /** The first offset of the oldest batch that is kept and was appended at `epochMs` or later; `end()`: there is none. */
  offsetAt(epochMs: number): Promise<number>;
  /**
   * Forgets batches that were appended before `epochMs` and lie wholly below `offset`, oldest first up to the first
   * one that has to stay; gives how many batches.
   */
  trim(before: { offset: number; epochMs: number }): Promise<number>;
}

/** Another process holds the log's writer lock. */
export class LogTaken extends Error {
  override readonly name = "LogTaken";
  readonly code = "LOG_TAKEN";
  readonly retry = "later";
}

/** An append failed and nobody knows what is durable: end the process. */
export class LogBroken extends Error {
  override readonly name = "LogBroken";
  readonly code = "LOG_BROKEN";
  readonly retry = "never";
}
