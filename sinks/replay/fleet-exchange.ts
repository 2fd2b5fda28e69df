/** Puts a rebuilt fleet index in the place of the running one. */
import type pg from "pg";
import { NotInLog, type ReplayRange } from "./position.ts";

const tables = ["devices", "device_events", "commands", "dead_letter_counts", "device_sightings"];

/** A device that registered before the range would be gone. @throws NotInLog */
export function checkWholeLog(ranges: readonly ReplayRange[]): void {
  const late = ranges.find(({ from }) => from > 0);
  if (late === undefined) return;
  const place = late.partition === "" ? "the log" : late.partition;
  throw new NotInLog(
    `The fleet index can take its own place only from the whole log, and ${place} is replayed from offset ${late.from} on: ` +
      "devices that registered before would be gone. Replay into a new place (--into NAME) and take from there what you need.",
  );
}

/** The running sink finds its progress moved, and goes on from the end of the ranges. */
export async function exchangeFleet(
  client: pg.PoolClient,
  schema: string,
  ranges: readonly ReplayRange[],
): Promise<string> {
  // In the order in which the sink takes its locks: progress, then tables.
  await client.query("select from sink_offsets where consumer = 'fleet' for update");
  await client.query(`lock table ${tables.join(", ")} in access exclusive mode`);
  for (const table of tables) {
    await client.query(`delete from ${table}`);
    const columns = await columnsOf(client, table);
    await client.query(`insert into ${table} (${columns}) select ${columns} from ${schema}.${table}`);
  }
  for (const { partition, to } of ranges)
    await client.query("update sink_offsets set next_offset = $2 where consumer = 'fleet' and partition = $1", [
      ...[partition, to],
    ]);
  const { rows } = await client.query("select count(*)::integer as devices from devices");
  return `The fleet index was rebuilt: ${rows[0].devices} devices.`;
}

/** Generated ones (a word index, say) make themselves. */
export async function columnsOf(client: pg.PoolClient, table: string): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(attname) as name from pg_attribute
     where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' and attidentity <> 'a'
     order by attnum`,
    [table],
  );
  return rows.map(({ name }) => name).join(", ");
}
