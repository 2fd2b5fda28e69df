/**
 * Where a replay goes: the running system's own tables, or a schema of PostgreSQL that is complete in itself, with
 * tables, progress and all, made when it is missing.
 */
import type pg from "pg";
import { openPool } from "../../ports/postgres/pool.ts";
import { ensureSchema } from "../../ports/time-series/sink-offsets.ts";

/** The name cannot be a schema's, or what it names is something else. */
export class BadPlace extends Error {
  override readonly name = "BadPlace";
  readonly code = "BAD_PLACE";
  readonly retry = "never";
}

/** There is something already that this replay did not begin. */
export class PlaceTaken extends Error {
  override readonly name = "PlaceTaken";
  readonly code = "PLACE_TAKEN";
  readonly retry = "never";
}

const placeName = /^[a-z][a-z0-9_]{0,47}$/;

/** @throws BadPlace */
export function checkPlaceName(name: string): void {
  if (placeName.test(name) && name !== "public" && !name.startsWith("pg_")) return;
  throw new BadPlace(
    `"${name}" cannot be the name of a new place. Take up to 48 of a-z, 0-9 and _, with a letter first, e.g. replay_may.`,
  );
}

/** A pool that sees this schema alone. The caller ends it. */
export async function openSchema(pool: pg.Pool, url: string, name: string): Promise<pg.Pool> {
  checkPlaceName(name);
  await pool.query(`create schema if not exists ${name}`);
  const within = new URL(url);
  within.searchParams.set("options", `-c search_path=${name}`);
  const schema = openPool(within.href, { max: 4, name: "doppel-replay" });
  // An empty schema, so that what belongs to the database as a whole is not looked for elsewhere.
  await ensureSchema(schema, "replay", "");
  return schema;
}

/**
 * Lets the consumer of a new place begin at these offsets.
 * @throws PlaceTaken when it has been there before
 */
export async function beginAt(
  pool: pg.Pool,
  consumer: string,
  ranges: readonly { readonly partition: string; readonly from: number }[],
  place: string,
): Promise<void> {
  const { rows } = await pool.query("select partition, next_offset from sink_offsets where consumer = $1", [consumer]);
  const begun = new Map(ranges.map(({ partition, from }) => [partition, from]));
  const taken = rows.find((row) => Number(row.next_offset) > 0 && Number(row.next_offset) !== begun.get(row.partition));
  if (taken !== undefined)
    throw new PlaceTaken(
      `${place} has ${consumer} up to offset ${taken.next_offset} already, and not from this replay. Choose another ` +
        `name for --into, or remove it first: drop schema ${place} cascade`,
    );
  for (const { partition, from } of ranges)
    await pool.query(
      `insert into sink_offsets (consumer, partition, next_offset) values ($1, $2, $3)
       on conflict (consumer, partition) do update set next_offset = excluded.next_offset`,
      [consumer, partition, from],
    );
}
