/**
 * Checkpoints of twins in PostgreSQL: a row per twin. The state is text that only our codec reads: jsonb would refuse
 * strings with NUL, and parse every row it is given.
 */
import type pg from "pg";
import { decodeTwin, encodeTwin } from "../../core/device/twin-codec.ts";
import { type Checkpoint, ForeignFormat, type TwinStore } from "./port.ts";

/** The form in which twins are stored; it moves when an older release could not read what this one writes, or the reverse. */
const format = 1;

/**
 * No index but the key, and room on each page: so a checkpoint, which nearly always moves the deadline, rewrites its row
 * in place (a heap-only update). Deadlines are read as a whole, once, at a start.
 */
const schema = `
  select pg_advisory_xact_lock(hashtext('doppel twins'));
  create table if not exists twins (
    id text primary key,
    revision bigint not null,
    next_offset bigint not null,
    deadline_ms bigint,
    state text not null
  ) with (fillfactor = 70);
  create table if not exists twin_meta (replay_from bigint not null, format int not null);
  insert into twin_meta select 0, ${format} where not exists (select from twin_meta);
`;

/**
 * Opens the store; makes its tables if they are missing.
 * @throws ForeignFormat when its twins were stored by a release that this one does not understand
 */
export async function openPostgresTwinStore(pool: pg.Pool): Promise<TwinStore> {
  await pool.query(schema);
  const { rows: meta } = await pool.query<{ format: number }>("select format from twin_meta");
  if (meta[0]!.format !== format) throw new ForeignFormat(meta[0]!.format, format);
  return {
    async load(ids) {
      const { rows } = await pool.query<TwinRow>({ name: "twins-load", text: loadSql, values: [ids] });
      return new Map(rows.map((row) => [row.id, checkpointOf(row)]));
    },
    async save(checkpoints, replayFrom) {
      const columns = columnsOf(newestOfEach(checkpoints));
      await pool.query({ name: "twins-save", text: saveSql, values: [...columns, replayFrom] });
    },
    async replayFrom() {
      const { rows } = await pool.query<{ replay_from: string }>("select replay_from from twin_meta");
      return Number(rows[0]!.replay_from);
    },
    async *deadlines() {
      const sql = "select id, deadline_ms from twins where deadline_ms is not null";
      for await (const rows of pages<{ id: string; deadline_ms: string }>(pool, sql)) {
        yield rows.map((row) => ({ id: row.id, deadlineMs: Number(row.deadline_ms) }));
      }
    },
    async *ids() {
      for await (const rows of pages<{ id: string }>(pool, "select id from twins")) yield rows.map((row) => row.id);
    },
  };
}

type TwinRow = { id: string; next_offset: string; deadline_ms: string | null; state: string };

const loadSql = "select id, next_offset, deadline_ms, state from twins where id = any($1::text[])";

/**
 * One statement, so one transaction (T1). The states come as one text, a line each (JSON has no raw newlines): as an
 * array literal every quote in them would have to be escaped, and read back again.
 *
 * It does not wait for the disk: a lost checkpoint costs a longer replay, and since the write-ahead log keeps the order
 * of commits, none can outlive the log records that it was folded from, nor be outlived by a trim that relied on it.
 */
const saveSql = `
  with saved as (
    insert into twins (id, revision, next_offset, deadline_ms, state)
    select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], string_to_array($5::text, E'\\n'))
    on conflict (id) do update set revision = excluded.revision, next_offset = excluded.next_offset,
      deadline_ms = excluded.deadline_ms, state = excluded.state
    where twins.next_offset <= excluded.next_offset
  )
  update twin_meta set replay_from = greatest(replay_from, $6::bigint)
  where set_config('synchronous_commit', 'off', true) is not null`;

function columnsOf(checkpoints: Iterable<Checkpoint>): [string[], number[], number[], (number | null)[], string] {
  const columns: [string[], number[], number[], (number | null)[]] = [[], [], [], []];
  const states: string[] = [];
  for (const { twin, nextOffset, deadlineMs } of checkpoints) {
    columns[0].push(twin.id);
    columns[1].push(twin.revision);
    columns[2].push(nextOffset);
    columns[3].push(deadlineMs);
    states.push(encodeTwin(twin));
  }
  return [...columns, states.join("\n")];
}

/** An upsert may not meet a row twice. */
function newestOfEach(checkpoints: readonly Checkpoint[]): Iterable<Checkpoint> {
  const newest = new Map<string, Checkpoint>();
  for (const checkpoint of checkpoints) {
    const other = newest.get(checkpoint.twin.id);
    if (other === undefined || other.nextOffset <= checkpoint.nextOffset) newest.set(checkpoint.twin.id, checkpoint);
  }
  return newest.values();
}

function checkpointOf({ state, next_offset, deadline_ms }: TwinRow): Checkpoint {
  return {
    twin: decodeTwin(state),
    nextOffset: Number(next_offset),
    deadlineMs: deadline_ms === null ? null : Number(deadline_ms),
  };
}

/** The rows of a query, in pages, in one pass over the table and as of one moment. */
async function* pages<Row extends pg.QueryResultRow>(pool: pg.Pool, sql: string): AsyncGenerator<Row[]> {
  const client = await pool.connect();
  let complete = false;
  try {
    await client.query(`begin; declare page no scroll cursor for ${sql}`);
    for (;;) {
      const { rows } = await client.query<Row>("fetch 10000 from page");
      if (rows.length === 0) break;
      yield rows;
    }
    await client.query("commit");
    complete = true;
  } finally {
    // Left early, or the connection broke: closing it ends the transaction as well.
    client.release(!complete);
  }
}
