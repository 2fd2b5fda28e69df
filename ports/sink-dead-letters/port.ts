/** A part of a record that a sink's storage will never take, e.g. one reading whose name is too long to be indexed. */
export type SinkDeadLetter = {
  /** "timeseries" */
  readonly sink: string;
  /** Which log, "iot-telemetry/3"; "": that of the embedded mode. */
  readonly partition: string;
  /** Of the record in its log. */
  readonly offset: number;
  /** Which part of the record, e.g. a metric; "": all of it. */
  readonly part: string;
  readonly device: string;
  /** The sentence that says what was wrong. */
  readonly reason: string;
  /** What was refused, as JSON. Cut at `contentLimit`. */
  readonly content: string;
  /** When it was set aside, epoch ms. */
  readonly atMs: number;
};

export type SinkDeadLetterQuery = {
  readonly sink?: string;
  readonly limit: number;
  /** Goes on after the last one of the page before: its number. */
  readonly after?: number;
};

/** Characters. */
export const contentLimit = 16_384;

/**
 * Where sinks set aside what their storage refuses, so that the rest of a batch goes on. The message itself stays in its log.
 *
 * L1 What is added again, by (sink, partition, offset, part), stays as it was first: a batch may come twice.
 */
export interface SinkDeadLetters {
  add(letters: readonly SinkDeadLetter[]): Promise<void>;
  /** Newest first; `number` is unique and grows. */
  list(query: SinkDeadLetterQuery): Promise<(SinkDeadLetter & { readonly number: number })[]>;
  /** How many there are, by sink. */
  counts(): Promise<Readonly<Record<string, number>>>;
  /** Forgets those set aside before that time; gives how many. */
  trim(beforeMs: number): Promise<number>;
}
