/**
 * Twin state in PostgreSQL: a row per twin, fenced by its revision, and a row per record that is not yet published. The
 * states are text that only our codec reads: jsonb would refuse strings with NUL, and parse every row it is given.
 *
 * Hosts that lose and gain twins at the same time meet in the same rows. Every statement that waits for rows takes them
 * in the order of their devices, in one pass: so none can wait for another in a circle.
 */
import type pg from "pg";
import { encodeTwin } from "../../core/device/twin-codec.ts";
import type { PublishableRecord } from "../record-log/port.ts";
import { ForeignFormat } from "../twin-store/port.ts";
import { shardOf, type TwinState, type TwinStateStore, type TwinWrite, type UnreadableState } from "./port.ts";
import { openSweep } from "./postgres-sweep.ts";
import { readReceipts, writeReceipts } from "./receipts-text.ts";
import { readRecord, readTwin, stateFormat } from "./state-codec.ts";

/**
 * Commits change no indexed column and find room on the page: they rewrite the row in place (a heap-only update). So the
 * deadline has no index while a host watches it; postgres-sweep.ts says what becomes of it then.
 * Names are compared by their bytes: "C" is what indexes are fastest in.
 */
const schema = `
  select pg_advisory_xact_lock(hashtext('doppel twin states'));
  create table if not exists twin_states (
    device text collate "C" primary key,
    revision bigint not null,
    format smallint not null,
    shard smallint not null,
    owner text collate "C" not null,
    due_ms bigint,
    parked_ms bigint,
    state text not null,
    receipts text not null
  ) with (fillfactor = 70);
  create index if not exists twin_states_watched on twin_states (owner, shard) where parked_ms is null;
  create index if not exists twin_states_parked on twin_states (shard, parked_ms) where parked_ms is not null;
  create table if not exists outbox (
    seq bigint generated always as identity primary key,
    device text collate "C" not null,
    id text collate "C" not null,
    at_ms bigint not null,
    body text not null
  );
  create index if not exists outbox_device on outbox (device);
  create table if not exists twin_state_meta (format int not null);
  insert into twin_state_meta select ${stateFormat} where not exists (select from twin_state_meta);
`;

export type PostgresTwinStateOptions = {
  /** Id of the member that writes: the owner of what it writes. Not "". */
  readonly host: string;
  /** Epoch ms; says when records were committed. */
  readonly now?: () => number;
};

/**
 * Opens the twin state for one host; makes its tables if they are missing.
 * @throws ForeignFormat when it was stored by a release that this one does not understand
 */
export async function openPostgresTwinState(
  pool: pg.Pool,
  { host, now = Date.now }: PostgresTwinStateOptions,
): Promise<TwinStateStore> {
  await pool.query(schema);
  const { rows: meta } = await pool.query<{ format: number }>("select format from twin_state_meta");
  if (meta[0]!.format !== stateFormat) throw new ForeignFormat(meta[0]!.format, stateFormat);
  return {
    fenced: true,
    sweepable: true,
    async load(devices) {
      const { rows } = await pool.query<LoadedRow>(loadSql, [devices]);
      return statesOf(rows);
    },
    async commit(writes) {
      if (writes.length === 0) return [];
      const values = [...twinColumns(writes), host, now(), ...recordColumns(writes)];
      const { rows } = await pool.query<{ place: string }>({ name: "twin-states-commit", text: commitSql, values });
      const stale = new Set(rows.map(({ place }) => Number(place) - 1));
      return writes.map((_, place) => (stale.has(place) ? "stale" : "committed"));
    },
    async published(records) {
      if (records.length === 0) return;
      await pool.query(publishedSql, [records.map(({ device }) => device), records.map(({ id }) => id)]);
    },
    async abandoned(epochMs, limit) {
      const { rows } = await pool.query<OutboxRow>(abandonedSql, [epochMs, limit]);
      return rows.flatMap(publishable);
    },
    ...openSweep(pool, host),
  };
}

/**
 * One statement, so one transaction, for all writes; it answers with the places of those that were stale.
 *
 * Nothing in it can be planned badly, though it is planned once, when the tables may be empty: the twins are found by
 * the conflict's index, and "in (…) is true" cannot be made a join (its hash does not care how many there are).
 * States and bodies come as one text each, a line per row (JSON has no raw newlines): as array literals every quote in
 * them would have to be escaped, and read back again.
 */
const commitSql = `
  with input as materialized (
    select device collate "C" as device, revision, due_ms, shard, state, receipts, place
    from unnest($1::text[], $2::bigint[], $3::bigint[], $4::smallint[], string_to_array($5::text, E'\\n'),
      string_to_array($6::text, E'\\n')) with ordinality as i(device, revision, due_ms, shard, state, receipts, place)
  ),
  written as (
    insert into twin_states as t (device, revision, format, shard, owner, due_ms, state, receipts)
    select device, revision + 1, ${stateFormat}, shard, $7::text, due_ms, state, coalesce(receipts, '')
    from input
    where (select set_config('synchronous_commit', 'on', true)) is not null
    order by device
    on conflict (device) do update set revision = excluded.revision, format = excluded.format, owner = excluded.owner,
      due_ms = excluded.due_ms, parked_ms = null, state = excluded.state, receipts = excluded.receipts
    where t.revision = excluded.revision - 1
    returning t.device
  ),
  added as (
    insert into outbox (device, id, at_ms, body)
    select device, id, $8::bigint, body
    from unnest($9::text[], $10::text[], string_to_array($11::text, E'\\n')) with ordinality as r(device, id, body, place)
    where (device collate "C" in (select device from written)) is true
    order by place
  )
  select place from input where (device in (select device from written)) is not true`;

/** Planned anew each time, as all that looks into the outbox: it is empty or full from one minute to the next. */
const loadSql = `
  select device, revision, format, state as body, receipts, null as id from twin_states where device = any($1::text[])
  union all
  select * from (
    select device, seq, ${stateFormat}, body, null, id from outbox where device = any($1::text[]) order by seq
  ) as unpublished`;

/** It does not wait for the disk: what comes back after a crash is published once more. */
const publishedSql = `
  delete from outbox where seq in (
    select seq from outbox join unnest($1::text[], $2::text[]) as p(device, id)
      on outbox.device = p.device collate "C" and outbox.id = p.id collate "C"
    where (select set_config('synchronous_commit', 'off', true)) is not null
    order by seq for update of outbox
  )`;

const abandonedSql = "select device, id, body from outbox where at_ms < $1 order by seq limit $2";

type OutboxRow = { device: string; id: string; body: string };
/** A twin, or with an `id` a record of one: then `revision` is its place in the outbox. */
type LoadedRow = { device: string; revision: string; format: number; body: string } & (
  | { receipts: string; id: null }
  | { receipts: null; id: string }
);

function twinColumns(writes: readonly TwinWrite[]) {
  return [
    writes.map(({ twin }) => twin.id),
    writes.map(({ revision }) => revision),
    writes.map(({ deadlineMs }) => deadlineMs),
    writes.map(({ twin }) => shardOf(twin.id)),
    writes.map(({ twin }) => encodeTwin(twin)).join("\n"),
    writes.map(({ receipts }) => writeReceipts(receipts)).join("\n"),
  ];
}

function recordColumns(writes: readonly TwinWrite[]) {
  const records = writes.flatMap((write) => write.records);
  return [
    records.map(({ device }) => device),
    records.map(({ id }) => id),
    records.map(({ record }) => JSON.stringify(record)).join("\n"),
  ];
}

function statesOf(rows: readonly LoadedRow[]): Map<string, TwinState | UnreadableState> {
  const records = Map.groupBy(
    rows.filter((row) => row.id !== null),
    ({ device }) => device,
  );
  const states = new Map<string, TwinState | UnreadableState>();
  for (const row of rows) {
    if (row.id === null) states.set(row.device, stateOf(row, records.get(row.device) ?? []));
  }
  return states;
}

function stateOf(
  { device, revision, format, body, receipts }: LoadedRow,
  unpublished: readonly LoadedRow[],
): TwinState | UnreadableState {
  if (format !== stateFormat) {
    return { unreadable: `It is stored in format ${format}; this release reads ${stateFormat}.` };
  }
  try {
    return {
      twin: readTwin(device, body),
      revision: Number(revision),
      receipts: readReceipts(receipts ?? ""),
      unpublished: unpublished.map(({ id, body }) => ({ id: id!, device, record: readRecord(body) })),
    };
  } catch (error) {
    return { unreadable: String(error) };
  }
}

/** A record that cannot be read does not hold up the others: it stays, and `load` says so. */
function publishable({ device, id, body }: OutboxRow): PublishableRecord[] {
  try {
    return [{ id, device, record: readRecord(body) }];
  } catch {
    return [];
  }
}
