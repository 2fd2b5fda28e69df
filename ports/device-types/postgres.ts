import type pg from "pg";
import type { TwinPolicy } from "../../core/device/policy.ts";
import type { JsonObject } from "../../core/json.ts";
import type { QualityRules } from "../../core/quality/rules.ts";
import { type DeviceType, type DeviceTypes, plainType } from "./port.ts";

/**
 * Names in byte order, as JavaScript sorts them, whatever the database's own collation. `json`, which keeps the order of
 * keys. Earlier releases knew the policy only.
 * The revision is moved by triggers: in the transaction of the change, by a process of an earlier release as well, and by
 * whoever mends a row by hand. Changes wait for each other's end at its row, so that of two the later has the greater one.
 */
const schema = `
  select pg_advisory_xact_lock(hashtext('doppel device_types'));
  create table if not exists device_types (
    type text collate "C" primary key,
    policy json not null
  );
  alter table device_types alter column policy set default '{}';
  alter table device_types add column if not exists quality json not null default '{}';
  alter table device_types add column if not exists retention_days integer;
  create table if not exists device_type_schemas (
    type text collate "C" not null references device_types on delete cascade,
    version integer not null,
    schema json not null,
    created_at_ms bigint not null,
    primary key (type, version)
  );
  create table if not exists device_type_revision (one boolean primary key check (one), revision bigint not null);
  insert into device_type_revision values (true, 0) on conflict do nothing;
  create or replace function doppel_device_types_changed() returns trigger language plpgsql as $$
    begin
      update device_type_revision set revision = revision + 1;
      return null;
    end $$;
  create or replace trigger changed after insert or update or delete or truncate on device_types
    for each statement execute function doppel_device_types_changed();
  create or replace trigger changed after insert or update or delete or truncate on device_type_schemas
    for each statement execute function doppel_device_types_changed();
`;

type Row = {
  readonly type: string;
  readonly policy: Partial<TwinPolicy>;
  readonly quality: QualityRules;
  readonly retention_days: number | null;
  readonly version: number | null;
  readonly schema: JsonObject | null;
  readonly created_at_ms: string | null;
};

const newest = `
  select t.type, t.policy, t.quality, t.retention_days, s.version, s.schema, s.created_at_ms
  from device_types t left join lateral (
    select * from device_type_schemas where type = t.type order by version desc limit 1
  ) s on true`;

/** Settings of device types in PostgreSQL; makes the tables if they are missing, and brings older ones up to date. */
export async function openPostgresDeviceTypes(pool: pg.Pool): Promise<DeviceTypes> {
  await pool.query(schema);
  return {
    async revision() {
      const { rows } = await pool.query<{ revision: string }>("select revision from device_type_revision");
      return Number(rows[0]!.revision);
    },
    async all() {
      const { rows } = await pool.query<Row>(`${newest} order by t.type`);
      return new Map(rows.map((row) => [row.type, typeOf(row)]));
    },
    async of(type) {
      const { rows } = await pool.query<Row>(`${newest} where t.type = $1`, [type]);
      return rows[0] === undefined ? plainType : typeOf(rows[0]);
    },
    async put(type, given, replacing) {
      const columns = [
        ...(given.policy === undefined ? [] : [["policy", JSON.stringify(given.policy)] as const]),
        ...(given.quality === undefined ? [] : [["quality", JSON.stringify(given.quality)] as const]),
        ...(given.retentionDays === undefined ? [] : [["retention_days", given.retentionDays] as const]),
      ];
      const names = columns.map(([name]) => name);
      const values = [type, ...columns.map(([, value]) => value)];
      const insert = `
        insert into device_types (${["type", ...names].join(", ")})
        values (${values.map((_, at) => `$${at + 1}`).join(", ")})`;
      if (replacing === undefined) {
        const update = `update set ${names.map((name) => `${name} = excluded.${name}`).join(", ")}`;
        await pool.query(`${insert} on conflict (type) do ${names.length === 0 ? "nothing" : update}`, values);
        return true;
      }
      // `json` keeps the text as it was written, here, by JSON.stringify; a type without an entry has no rules.
      const stands = JSON.stringify(replacing.quality);
      const changes = ["type", ...names].map((name, at) => `${name} = $${at + 1}`).join(", ");
      const same = `device_types.quality::text = $${values.length + 1}`;
      const { rowCount } = await pool.query(
        stands === "{}"
          ? `${insert} on conflict (type) do update set ${changes} where ${same}`
          : `update device_types set ${changes} where type = $1 and ${same}`,
        [...values, stands],
      );
      return rowCount === 1;
    },
    async remove(type) {
      const { rowCount } = await pool.query("delete from device_types where type = $1", [type]);
      return rowCount === 1;
    },
    async addSchema(type, added, { replacing, nowMs }) {
      // The type's row, locked, lets one at a time add a version.
      const { rows } = await pool.query<{ newest: number; added: boolean }>(
        `with known as (
           insert into device_types (type) values ($1) on conflict (type) do update set type = excluded.type returning type
         ), before as (
           select coalesce(max(version), 0) as newest from device_type_schemas where type = $1
         ), added as (
           insert into device_type_schemas
           select known.type, $2 + 1, $3, $4 from known, before where before.newest = $2
           on conflict do nothing returning version
         )
         select before.newest, exists (select from added) as added from before`,
        [type, replacing, JSON.stringify(added), nowMs],
      );
      if (rows[0]!.added) return { kind: "added", version: replacing + 1 };
      // Another one may have come in since this statement began to look.
      const { rows: now } = await pool.query<{ newest: number }>(
        "select coalesce(max(version), 0) as newest from device_type_schemas where type = $1",
        [type],
      );
      return { kind: "stale", newest: now[0]!.newest };
    },
    async schemasOf(type) {
      const { rows } = await pool.query<{ version: number; schema: JsonObject; created_at_ms: string }>(
        "select version, schema, created_at_ms from device_type_schemas where type = $1 order by version",
        [type],
      );
      return rows.map(({ version, schema, created_at_ms }) => ({
        version,
        schema,
        createdAtMs: Number(created_at_ms),
      }));
    },
    async retentionOf() {
      const { rows } = await pool.query<{ type: string; retention_days: number }>(
        "select type, retention_days from device_types where retention_days is not null order by type",
      );
      return new Map(rows.map(({ type, retention_days }) => [type, retention_days]));
    },
  };
}

function typeOf({ policy, quality, retention_days, version, schema, created_at_ms }: Row): DeviceType {
  return {
    policy,
    quality,
    retentionDays: retention_days,
    schema: version === null ? null : { version, schema: schema!, createdAtMs: Number(created_at_ms) },
  };
}
