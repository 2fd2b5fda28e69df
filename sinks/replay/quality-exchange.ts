/**
 * Puts rebuilt figures of quality in the place of the running ones: minute by minute, since a row is what one partition
 * has to say of a minute.
 *
 * Q1 Only minutes that the range holds wholly are exchanged: not its first and last ones, whose other messages lie
 *    before and after it, nor their neighbours (turns of one moment may be in the log in any order). A range from the
 *    very beginning has nothing before it.
 * Q2 What has become hours stays as it is.
 */
import type pg from "pg";
import { columnsOf } from "./fleet-exchange.ts";
import type { ReplayRange } from "./position.ts";

const tables = ["quality_minutes", "quality_rules_minutes"];
const marginMs = 60_000;

export async function exchangeQuality(
  client: pg.PoolClient,
  schema: string,
  ranges: readonly ReplayRange[],
): Promise<string> {
  await client.query("select pg_advisory_xact_lock(hashtextextended('doppel quality rollup', 0))");
  const rolled = await client.query("select minutes_from_ms from quality_rollup");
  const minutesFromMs = rolled.rows.length === 0 ? 0 : Number(rolled.rows[0].minutes_from_ms);
  let minutes = 0;
  for (const { partition, from } of ranges) {
    const { rows } = await client.query(
      `select min(start_ms) as first, max(start_ms) as last from ${schema}.quality_minutes where part = $1`,
      [partition],
    );
    if (rows[0].first === null) continue;
    const firstMs = Math.max(minutesFromMs, from === 0 ? 0 : Number(rows[0].first) + 2 * marginMs);
    const lastMs = Number(rows[0].last) - 2 * marginMs;
    for (const table of tables) {
      const range = "part = $1 and start_ms between $2 and $3";
      const values = [partition, firstMs, lastMs];
      await client.query(`delete from ${table} where ${range}`, values);
      const columns = await columnsOf(client, table);
      const { rowCount } = await client.query(
        `insert into ${table} (${columns}) select ${columns} from ${schema}.${table} where ${range}`,
        values,
      );
      if (table === tables[0]) minutes += rowCount ?? 0;
    }
  }
  return `${minutes} figures of minutes were rebuilt; the first and last minutes, and what has become hours, stayed.`;
}
