/**
 * How far a replay has come, beside the sinks' own progress in `sink_offsets`: under `replay:…` where each partition
 * stands, under `replay:…:from`, `:to` and `:end` its range as it was found at the first start, so that "latest" stays the same
 * end when the replay is taken up again. All of it goes when the replay is done.
 */
import type { Pool, PoolClient } from "pg";
import { inTransaction, moveProgress } from "../../ports/time-series/sink-offsets.ts";
import type { ReplayRange } from "./position.ts";

/** A partition of a replay that was begun: `at` is where it goes on. */
export type BegunRange = ReplayRange & { readonly at: number };

export type ReplayProgress = {
  /** Null: it was never begun, or is done. */
  begun(): Promise<BegunRange[] | null>;
  /** Notes the ranges; nothing of them is done. */
  begin(ranges: readonly ReplayRange[]): Promise<void>;
  /** @throws StaleProgress when another process runs the same replay */
  move(partition: string, from: number, to: number): Promise<void>;
  forget(): Promise<void>;
  /** The same as part of a transaction. */
  forgetIn(client: PoolClient): Promise<void>;
};

/** @param name "timeseries::earliest-latest"; the table has to exist */
export function replayProgress(pool: Pool, name: string): ReplayProgress {
  const consumer = `replay:${name}`;
  const [froms, tos, ends] = [`${consumer}:from`, `${consumer}:to`, `${consumer}:end`];
  const all = [consumer, froms, tos, ends];

  async function stored(which: string): Promise<Map<string, number>> {
    const { rows } = await pool.query("select partition, next_offset from sink_offsets where consumer = $1", [which]);
    return new Map(rows.map((row) => [row.partition as string, Number(row.next_offset)]));
  }

  return {
    async begun() {
      const [at, from, to, end] = [await stored(consumer), await stored(froms), await stored(tos), await stored(ends)];
      if (at.size === 0) return null;
      return [...at].map(([partition, offset]) => ({
        ...{ partition, from: from.get(partition) ?? offset, to: to.get(partition) ?? offset, at: offset },
        end: end.get(partition) ?? offset,
      }));
    },
    async begin(ranges) {
      await inTransaction(pool, async (client) => {
        await forget(client, all);
        for (const { partition, from, to, end } of ranges) {
          const values = [partition, from, to, ...all, end];
          await client.query(
            `insert into sink_offsets (consumer, partition, next_offset)
             values ($4, $1, $2), ($5, $1, $2), ($6, $1, $3), ($7, $1, $8)`,
            values,
          );
        }
      });
    },
    move: (partition, from, to) =>
      inTransaction(pool, (client) => moveProgress(client, consumer, { from, to, partition })),
    forget: () => inTransaction(pool, (client) => forget(client, all)),
    forgetIn: (client) => forget(client, all),
  };
}

async function forget(client: PoolClient, consumers: readonly string[]): Promise<void> {
  await client.query("delete from sink_offsets where consumer = any($1::text[])", [consumers]);
}
