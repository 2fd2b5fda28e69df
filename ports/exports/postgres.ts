import type { Pool, PoolClient } from "pg";
import { inTransaction } from "../time-series/sink-offsets.ts";
import { type ExportJob, type ExportRun, type Exports, nextRun, withRun } from "./port.ts";

const schema = `
  select pg_advisory_xact_lock(hashtextextended('doppel exports', 0));
  create table if not exists exports (
    id text collate "C" primary key,
    place bigint generated always as identity unique,
    spec text not null,
    created_at_ms bigint not null,
    due_at_ms bigint,
    due_for_ms bigint,
    lease_token text,
    lease_until_ms bigint,
    runs text not null default '[]'
  );
  create index if not exists exports_due on exports (due_at_ms) where due_at_ms is not null;
`;

/** Exports in PostgreSQL; makes the table if it is missing. */
export async function openPostgresExports(pool: Pool): Promise<Exports> {
  await pool.query(schema);

  /** Of the job that the token holds. */
  async function runsOf(client: PoolClient, id: string, token: string): Promise<ExportRun[] | null> {
    const { rows } = await client.query("select runs from exports where id = $1 and lease_token = $2 for update", [
      id,
      token,
    ]);
    return rows.length === 0 ? null : JSON.parse(rows[0].runs);
  }

  return {
    async create({ id, spec, createdAtMs, due }) {
      await pool.query(
        "insert into exports (id, spec, created_at_ms, due_at_ms, due_for_ms) values ($1, $2, $3, $4, $5)",
        [id, JSON.stringify(spec), createdAtMs, due?.atMs ?? null, due?.forMs ?? null],
      );
    },
    async read(id) {
      const { rows } = await pool.query(`select ${columns} from exports where id = $1`, [id]);
      return rows.length === 0 ? null : jobOf(rows[0]);
    },
    async list({ after, limit }) {
      const { rows } = await pool.query(
        `select ${columns} from exports
         where $1::text is null or place < coalesce((select place from exports where id = $1), 0)
         order by place desc limit $2`,
        [after, limit],
      );
      return rows.map(jobOf);
    },
    async count() {
      const { rows } = await pool.query("select count(*)::integer as count from exports");
      return rows[0].count;
    },
    async remove(id) {
      const { rowCount } = await pool.query("delete from exports where id = $1", [id]);
      return rowCount === 1;
    },
    claim: (token, nowMs, leaseMs) =>
      inTransaction(pool, async (client) => {
        const { rows } = await client.query(
          `select ${columns} from exports
           where due_at_ms <= $1 and (lease_until_ms is null or lease_until_ms <= $1)
           order by due_at_ms limit 1 for update skip locked`,
          [nowMs],
        );
        if (rows.length === 0) return null;
        const found = jobOf(rows[0]);
        const run = nextRun(found, nowMs);
        const job = { ...found, runs: withRun(found.runs, run) };
        await client.query("update exports set lease_token = $2, lease_until_ms = $3, runs = $4 where id = $1", [
          ...[job.id, token, nowMs + leaseMs, JSON.stringify(job.runs)],
        ]);
        return { job, run, token };
      }),
    async renew({ job, token }, untilMs) {
      const { rowCount } = await pool.query(
        "update exports set lease_until_ms = $3 where id = $1 and lease_token = $2",
        [...[job.id, token, untilMs]],
      );
      return rowCount === 1;
    },
    settle: ({ job, run, token }, ended, due) =>
      inTransaction(pool, async (client) => {
        const runs = await runsOf(client, job.id, token);
        if (runs === null) return false;
        await client.query(
          `update exports set lease_token = null, lease_until_ms = null, due_at_ms = $2, due_for_ms = $3, runs = $4
           where id = $1`,
          [job.id, due?.atMs ?? null, due?.forMs ?? null, JSON.stringify(withRun(runs, { ...run, ended }))],
        );
        return true;
      }),
  };
}

const columns = "id, spec, created_at_ms, due_at_ms, due_for_ms, runs";

type Row = {
  id: string;
  spec: string;
  created_at_ms: string;
  due_at_ms: string | null;
  due_for_ms: string | null;
  runs: string;
};

function jobOf({ id, spec, created_at_ms, due_at_ms, due_for_ms, runs }: Row): ExportJob {
  return {
    id,
    spec: JSON.parse(spec),
    createdAtMs: Number(created_at_ms),
    due: due_at_ms === null ? null : { atMs: Number(due_at_ms), forMs: Number(due_for_ms) },
    runs: JSON.parse(runs),
  };
}
