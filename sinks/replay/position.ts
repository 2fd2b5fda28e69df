/**
 * What of a log is replayed: positions as people write them, as ranges of offsets of its partitions. Pure.
 *
 * P1 A range never leaves out silently what was asked for: what the log no longer has is refused.
 */
import type { KeptOffsets } from "../../ports/record-log/port.ts";

export type Position =
  | { readonly kind: "earliest" }
  | { readonly kind: "latest" }
  /** In every partition. */
  | { readonly kind: "offset"; readonly offset: number }
  /** When the log got the record, epoch ms. */
  | { readonly kind: "time"; readonly atMs: number };

/** Part of a partition of the log ("" is the embedded one): from `from` to before `to`. */
export type ReplayRange = {
  readonly partition: string;
  readonly from: number;
  readonly to: number;
  /** Where the partition ended when the replay began. */
  readonly end: number;
};

/** @returns null: it is no position */
export function positionOf(text: string): Position | null {
  if (text === "earliest" || text === "latest") return { kind: text };
  if (/^\d+$/.test(text)) {
    const offset = Number(text);
    return Number.isSafeInteger(offset) ? { kind: "offset", offset } : null;
  }
  // A year alone would be an offset; a time without a zone would mean another one elsewhere.
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text)) return null;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? null : { kind: "time", atMs };
}

/** What is known of a partition: what it keeps, and where a time is in it. */
export type PlacedPartition = KeptOffsets & {
  readonly partition: string;
  readonly offsetAt: (position: Position) => number;
};

/** @throws NotInLog */
export function rangesOf(
  partitions: readonly PlacedPartition[],
  from: Position,
  to: Position,
  words: { readonly from: string; readonly to: string },
): ReplayRange[] {
  const ranges = partitions.map(({ partition, low, end, offsetAt }) => {
    const place = partition === "" ? "the log" : partition;
    const first = offsetOf(from, low, end, offsetAt);
    const last = offsetOf(to, low, end, offsetAt);
    // Something older than what a time finds may have been there.
    const isCut = from.kind === "offset" ? first < low : from.kind === "time" && first <= low && low > 0;
    if (isCut)
      throw new NotInLog(
        `${place} begins at offset ${low}: what came before is no longer kept, and --from ${words.from} asks for it. ` +
          "Say --from earliest for all that there is, or load what is older from the archive.",
      );
    if (to.kind === "offset" && last > end)
      throw new NotInLog(`${place} ends at offset ${end}, and --to ${words.to} is beyond it. Say --to latest.`);
    return { partition, from: first, to: Math.max(first, last), end };
  });
  if (from.kind === "offset" && ranges.every((range) => range.from > range.to || isEmpty(range)) && ranges.length > 0)
    throw new NotInLog(
      `Nothing lies between --from ${words.from} and --to ${words.to}. The log ends before, or they are swapped.`,
    );
  return ranges;
}

function offsetOf(position: Position, low: number, end: number, offsetAt: (position: Position) => number): number {
  switch (position.kind) {
    case "earliest":
      return low;
    case "latest":
      return end;
    case "offset":
      return position.offset;
    case "time":
      return Math.min(offsetAt(position), end);
  }
}

function isEmpty({ from, to }: ReplayRange): boolean {
  return from >= to;
}

/** The log does not have what was asked for. */
export class NotInLog extends Error {
  override readonly name = "NotInLog";
  readonly code = "NOT_IN_LOG";
  readonly retry = "never";
}
