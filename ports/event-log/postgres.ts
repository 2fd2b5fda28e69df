/**
 * The event log in PostgreSQL: a row per append. The unit of commit, of reading and of retention is that row.
 *
 * One connection does all appends and holds the writer lock (L5): when it is gone, so is the lock, and nothing can be
 * appended past whoever takes it next. Readers use the pool.
 */
import pg from "pg";
import { openRecordCodec, openRecordReader, type RecordReader } from "../record-codec/codec.ts";
import { openPostgresSchemaRegistry, postgresSchemaRegistry } from "../schema-registry/postgres.ts";
import { encodeBlock, readBlock } from "./block.ts";
import { type EventLog, type EventLogReader, LogBroken, type LogEntry, LogTaken } from "./port.ts";

/** `pg_locks` shows it under this number: "doppel l" in ASCII. */
const writerLock = "7237125545962971244";
/** L1, whatever the database's own default is. The keep-alives end the lock of a machine that lost power after 20 s. */
const sessionSettings = `
  set application_name = 'doppel-log-writer';
  set synchronous_commit = on;
  set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 2;
`;

/** `appended_at` is the database's clock. A trim that leaves no row leaves the offset to go on from in `log_trimmed`. */
const schema = `
  do $$ begin
    if to_regclass('log') is null then
      create table log (
        first_offset bigint primary key,
        count int not null,
        appended_at timestamptz not null default now(),
        block bytea not null
      );
      -- Blocks are compressed already: do not let PostgreSQL try.
      alter table log alter column block set storage external;
      create table log_trimmed (until_offset bigint not null);
      insert into log_trimmed values (0);
    end if;
  end $$;
`;

/** The log's only writer, with its own connection beside the pool. */
export type PostgresLog = EventLog & {
  /** Ends the writer's connection and gives the lock free. The pool stays open. */
  close(): Promise<void>;
};

/**
 * Opens the log for writing; makes its tables if they are missing, and registers the schemas of its records in the same
 * database (`IncompatibleSchema` where they could not read what is there). Waits up to `waitMs` for a dead process's session to
 * go away, then throws `LogTaken`.
 */
export async function openPostgresLog(pool: pg.Pool, { waitMs = 5_000 } = {}): Promise<PostgresLog> {
  const { password } = pool.options; // not enumerable
  const client = new pg.Client({ ...pool.options, ...(password === undefined ? {} : { password }) });
  let broken: unknown = null;
  let closed = false;
  // Without its connection the log has lost its lock: it must not come back on another one (L4, L5).
  client.on("error", (error) => {
    broken ??= error;
  });
  client.on("end", () => {
    if (!closed) broken ??= new Error("the connection to PostgreSQL ended");
  });
  await client.connect();
  let end: number;
  let codec: Awaited<ReturnType<typeof openRecordCodec>>;
  try {
    await takeLock(client, waitMs);
    await client.query(schema);
    await client.query(sessionSettings);
    end = await endOf(client);
    codec = await openRecordCodec(await openPostgresSchemaRegistry(pool));
  } catch (error) {
    closed = true;
    await client.end();
    throw error;
  }
  let appending = false;

  return {
    ...readerOf(pool, codec),
    async append(entries) {
      if (broken)
        throw new LogBroken(`The event log is broken: ${messageOf(broken)}; the process has to end.`, {
          cause: broken,
        });
      if (appending) throw new Error("append was called before the last one had resolved. Await it first."); // L3
      if (entries.length === 0) return end;
      appending = true;
      try {
        await client.query({
          name: "append",
          text: "insert into log (first_offset, count, block) values ($1, $2, $3)",
          values: [end, entries.length, encodeBlock(entries, codec)],
        });
      } catch (cause) {
        broken = cause; // L4: it may be durable or not; only a new reading of the log can tell.
        throw new LogBroken(`An append to the event log failed: ${messageOf(cause)}; the process has to end.`, {
          cause,
        });
      } finally {
        appending = false;
      }
      const first = end;
      end += entries.length;
      return first;
    },
    async end() {
      return end;
    },
    async close() {
      if (closed) return;
      closed = true;
      broken ??= new Error("the log was closed");
      await client.end();
    },
  };
}

/** Reads the log without the writer's lock: for consumers, in this thread or another. The log has to exist. */
export function openPostgresLogReader(pool: pg.Pool): EventLogReader {
  return readerOf(pool, openRecordReader(postgresSchemaRegistry(pool)));
}

function readerOf(pool: pg.Pool, codec: RecordReader): EventLogReader {
  async function start(): Promise<number> {
    const { rows } = await pool.query<{ start: string }>(startSql);
    return Number(rows[0]!.start);
  }

  async function read(offset: number, atMost: number): ReturnType<EventLogReader["read"]> {
    const { rows } = await pool.query<{ first_offset: string; count: number; block: Buffer }>({
      name: "log-read",
      text: readSql,
      values: [offset, Math.max(1, atMost)],
    });
    if (rows.length === 0) {
      const oldest = await start();
      return offset < oldest ? read(oldest, atMost) : { entries: [], next: offset };
    }
    const entries: { offset: number; entry: LogEntry }[] = [];
    let next = offset;
    for (const row of rows) {
      const first = Number(row.first_offset);
      const decoded = await readBlock(row.block, row.count, codec);
      for (let index = next - first; index < decoded.length; index += 1) {
        entries.push({ offset: first + index, entry: decoded[index]! });
      }
      next = first + decoded.length;
    }
    return { entries, next };
  }

  return {
    read,
    start,
    end: () => endOf(pool),
    async offsetAt(epochMs) {
      const { rows } = await pool.query<{ first: string }>(offsetAtSql, [epochMs]);
      return rows.length === 0 ? endOf(pool) : Number(rows[0]!.first);
    },
    async trim({ offset, epochMs }) {
      const { rows } = await pool.query<{ trimmed: string }>(trimSql, [offset, epochMs]);
      return Number(rows[0]!.trimmed);
    },
  };
}

const startSql = `
  select coalesce((select min(first_offset) from log), (select until_offset from log_trimmed)) as start`;

const offsetAtSql = `
  select first_offset as first from log where appended_at >= to_timestamp($1::double precision / 1000)
  order by first_offset limit 1`;

// Offsets are dense, so the batches that begin below offset + atMost hold about atMost entries.
const readSql = `
  select first_offset, count, block from log
  where first_offset >= (select max(first_offset) from log where first_offset <= $1::bigint)
    and first_offset + count > $1::bigint
    and first_offset < $1::bigint + $2::bigint
  order by first_offset`;

const trimSql = `
  with kept as (
    select coalesce(
      (select first_offset from log
        where appended_at >= to_timestamp($2::double precision / 1000) or first_offset + count > $1::bigint
        order by first_offset limit 1),
      (select max(first_offset + count) from log)) as until
  ), gone as (
    delete from log where first_offset < (select until from kept) returning 1
  ), noted as (
    update log_trimmed set until_offset = greatest(until_offset, coalesce((select until from kept), 0))
  )
  select count(*) as trimmed from gone`;

const endSql = `
  select coalesce((select first_offset + count from log order by first_offset desc limit 1),
    (select until_offset from log_trimmed)) as "end"`;

async function endOf(connection: pg.Pool | pg.Client): Promise<number> {
  const { rows } = await connection.query<{ end: string }>(endSql);
  return Number(rows[0]!.end);
}

async function takeLock(client: pg.Client, waitMs: number): Promise<void> {
  for (let waited = 0; ; waited += lockRetryMs) {
    const { rows } = await client.query<{ taken: boolean }>("select pg_try_advisory_lock($1) as taken", [writerLock]);
    if (rows[0]!.taken) return;
    if (waited >= waitMs)
      throw new LogTaken("Another Doppel process writes to this database. Stop it first, or use another database.");
    await new Promise((resolve) => setTimeout(resolve, lockRetryMs));
  }
}

const lockRetryMs = 100;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
