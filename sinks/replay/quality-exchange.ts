/**
 * Puts rebuilt figures of quality in the place of the running ones, minute by minute.
 *
 * Q1 Only minutes that the ranges hold wholly are exchanged. A range that does not begin at the very beginning, or does
 *    not go to the end of its partition, leaves out its first or last minutes, and their neighbours, since turns of one
 *    moment may be in the log in any order. The newest minutes of all are still being counted.
 * Q2 What has become hours stays as it is.
 */
import type pg from "pg";
import { columnsOf } from "./fleet-exchange.ts";
import type { ReplayRange } from "./position.ts";

const tables = ["quality_minutes", "quality_rules_minutes"];
const marginMs = 2 * 60_000;

export async function exchangeQuality(
  client: pg.PoolClient,
  schema: string,
  ranges: readonly ReplayRange[],
): Promise<string> {
  await client.query("select pg_advisory_xact_lock(hashtextextended('doppel quality rollup', 0))");
  const rolled = await client.query("select minutes_from_ms from quality_rollup");
  const minutesFromMs = rolled.rows.length === 0 ? 0 : Number(rolled.rows[0].minutes_from_ms);
  const found = await client.query(
    `select part, min(start_ms) as first, max(start_ms) as last from ${schema}.quality_minutes group by part`,
  );
  const bounds = new Map(
    found.rows.map(({ part, first, last }) => [part, { first: Number(first), last: Number(last) }]),
  );
  let firstMs = minutesFromMs;
  let lastMs = Math.max(...[...bounds.values()].map(({ last }) => last)) - marginMs;
  for (const { partition, from, to, end } of ranges) {
    const { first, last } = bounds.get(partition) ?? {
      first: Number.NEGATIVE_INFINITY,
      last: Number.POSITIVE_INFINITY,
    };
    if (from > 0) firstMs = Math.max(firstMs, first + marginMs);
    if (to < end) lastMs = Math.min(lastMs, last - marginMs);
  }
  if (firstMs > lastMs) return "The range holds no minute wholly, so no figure was exchanged.";
  for (const table of tables) {
    const range = "start_ms between $1 and $2";
    await client.query(`delete from ${table} where ${range}`, [firstMs, lastMs]);
    const columns = await columnsOf(client, table);
    await client.query(`insert into ${table} (${columns}) select ${columns} from ${schema}.${table} where ${range}`, [
      firstMs,
      lastMs,
    ]);
  }
  const time = (ms: number) => new Date(ms).toISOString().slice(0, 16);
  return `The figures of ${time(firstMs)} to ${time(lastMs)} (UTC) were rebuilt; older and newer ones stayed.`;
}
