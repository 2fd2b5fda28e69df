import type pg from "pg";
import type { TwinPolicy } from "../../core/device/policy.ts";
import type { DeviceTypes } from "./port.ts";

/** Names in byte order, as JavaScript sorts them, whatever the database's own collation. */
const schema = `
  select pg_advisory_xact_lock(hashtext('doppel device_types'));
  create table if not exists device_types (
    type text collate "C" primary key,
    policy json not null
  );
`;

/** Policies of device types in PostgreSQL; makes the table if it is missing. */
export async function openPostgresDeviceTypes(pool: pg.Pool): Promise<DeviceTypes> {
  await pool.query(schema);
  return {
    async all() {
      const { rows } = await pool.query<{ type: string; policy: Partial<TwinPolicy> }>(
        "select type, policy from device_types order by type",
      );
      return new Map(rows.map(({ type, policy }) => [type, policy]));
    },
    async put(type, policy) {
      await pool.query(
        "insert into device_types values ($1, $2) on conflict (type) do update set policy = excluded.policy",
        [type, JSON.stringify(policy)],
      );
    },
    async remove(type) {
      const { rowCount } = await pool.query("delete from device_types where type = $1", [type]);
      return rowCount === 1;
    },
  };
}
