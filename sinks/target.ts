import type { LogTopic } from "../ports/record-log/port.ts";
import type { SinkDeadLetter } from "../ports/sink-dead-letters/port.ts";
import type { LogItem, Target } from "./consumer.ts";
import type { PartitionTarget } from "./partition-sink.ts";

/** Work of a sink besides its records. What fails is told, and tried again within a minute. */
export type Chore = {
  /** In health: "retention", "aggregates". */
  readonly name: string;
  readonly everyMs: number;
  /** Also once before the sink's first record: what makes the tables ready for it. */
  readonly first?: boolean;
  readonly run: (nowMs: number) => Promise<void>;
};

/** What of some items a storage will never take, and the items without it. */
export type Refusals = {
  readonly refused: readonly Pick<SinkDeadLetter, "offset" | "part" | "device" | "reason" | "content">[];
  readonly kept: readonly LogItem[];
};

/**
 * A sink, whichever log it reads. `progress` is that of the embedded log, `progressIn` that of a partition; both are asked
 * anew after a failure, and when a partition comes (back) to this process: what was taken but not stored comes again then.
 * What no later commit would change is told by `RowsRefused`, and then nothing of the commit is stored (set-aside.ts).
 */
export type SinkTarget = Target &
  PartitionTarget & {
    /** What it reads of Kafka; of the embedded log it gets every record. */
    readonly topics: readonly LogTopic[];
    readonly chores?: readonly Chore[];
    /** Tells what of refused items is refused, where that is less than a record. Stores nothing. */
    readonly refusals?: (items: readonly LogItem[]) => Promise<Refusals>;
    /** Of the circuit to its storage, which may be away: see breaker.ts. For health and metrics. */
    readonly breaker?: () => "closed" | "open" | "half-open";
    /** As `progressIn` ("": the embedded log), of a sink that gathers records: only looks, nothing begins anew. */
    readonly storedIn?: (partition: string) => Promise<number | null>;
    /** Stores what it has gathered, as far as that is quick; the process ends then. */
    readonly close?: () => Promise<void>;
  };
