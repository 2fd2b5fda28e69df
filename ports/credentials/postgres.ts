import { randomUUID } from "node:crypto";
import type pg from "pg";
import {
  type CredentialKind,
  type CredentialSources,
  type CredentialSummary,
  type Credentials,
  claimHolds,
} from "./port.ts";
import { hashOfSecret, newSecret } from "./secret.ts";

const schema = `
  select pg_advisory_xact_lock(hashtext('doppel credentials'));
  create table if not exists credentials (
    id text primary key,
    kind text not null,
    subject text not null,
    hash bytea not null unique,
    created_at_ms bigint not null,
    revoked_at_ms bigint,
    -- Keeps the order of those made in one millisecond.
    number bigint generated always as identity
  );
  create index if not exists credentials_subject on credentials (kind, subject);
`;

/** Credentials in PostgreSQL; makes the table if it is missing. A subject cannot hold NUL: PostgreSQL's text has none. */
export async function openPostgresCredentials(
  pool: pg.Pool,
  { nowMs, newId }: CredentialSources = { nowMs: Date.now, newId: randomUUID },
): Promise<Credentials> {
  await pool.query(schema);
  return {
    async create(kind, subject) {
      const secret = newSecret(kind);
      const credential = { id: newId(), kind, subject, createdAtMs: nowMs(), revokedAtMs: null };
      await pool.query("insert into credentials (id, kind, subject, hash, created_at_ms) values ($1, $2, $3, $4, $5)", [
        credential.id,
        kind,
        subject,
        hashOfSecret(kind, secret),
        credential.createdAtMs,
      ]);
      return { credential, secret };
    },
    async verify(kind, secret, claimedSubject) {
      const hash = hashOfSecret(kind, secret);
      if (hash === null) return null;
      const { rows } = await pool.query<{ subject: string }>({
        name: "credentials-verify",
        text: "select subject from credentials where hash = $1 and kind = $2 and revoked_at_ms is null",
        values: [hash, kind],
      });
      // Compared here, not there: a claim comes from outside and may hold what PostgreSQL's text cannot.
      return rows[0] !== undefined && claimHolds(kind, rows[0].subject, claimedSubject) ? rows[0].subject : null;
    },
    async list(kind, subject) {
      const { rows } = await pool.query<CredentialRow>(
        `select id, kind, subject, created_at_ms, revoked_at_ms from credentials
         where kind = $1 and ($2::text is null or subject = $2) order by number`,
        [kind, subject ?? null],
      );
      return rows.map(summaryOf);
    },
    async revoke(id) {
      const { rowCount } = await pool.query(
        "update credentials set revoked_at_ms = $2 where id = $1 and revoked_at_ms is null",
        [id, nowMs()],
      );
      return rowCount === 1;
    },
  };
}

type CredentialRow = {
  id: string;
  kind: CredentialKind;
  subject: string;
  created_at_ms: string;
  revoked_at_ms: string | null;
};

function summaryOf({ id, kind, subject, created_at_ms, revoked_at_ms }: CredentialRow): CredentialSummary {
  const revokedAtMs = revoked_at_ms === null ? null : Number(revoked_at_ms);
  return { id, kind, subject, createdAtMs: Number(created_at_ms), revokedAtMs };
}
