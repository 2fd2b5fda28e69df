/**
 * The registry as a table: for the embedded mode, and for the distributed one without a registry server. Judges by
 * itself what is compatible.
 */
import { createHash } from "node:crypto";
import type pg from "pg";
import { backwardCompatibility, normalized } from "./compatibility.ts";
import { type Compatibility, IncompatibleSchema, RegistryAway, type SchemaRegistry } from "./port.ts";

/** A subject's versions are its rows in the order of `registered`. */
const tables = `
  select pg_advisory_xact_lock(hashtext('doppel schemas'));
  create table if not exists schemas (
    id int generated always as identity primary key,
    schema text not null,
    -- SHA-256 of the schema, in hex: an index takes no long texts.
    digest text not null unique
  );
  create table if not exists schema_versions (
    subject text not null,
    version int not null,
    id int not null references schemas,
    registered_at timestamptz not null default now(),
    primary key (subject, version),
    unique (subject, id)
  );
`;

/** Makes the tables if they are missing. */
export async function openPostgresSchemaRegistry(pool: pg.Pool): Promise<SchemaRegistry> {
  await pool.query(tables);
  return postgresSchemaRegistry(pool);
}

/** For those who come after somebody who has made the tables. */
export function postgresSchemaRegistry(pool: pg.Pool): SchemaRegistry {
  return {
    async register(subject, schema) {
      const text = normalized(schema);
      return inTransaction(pool, async (client) => {
        await client.query("select pg_advisory_xact_lock(hashtext('doppel schema ' || $1))", [subject]);
        const versions = await versionsOf(client, subject);
        const known = versions.find((version) => version.schema === text);
        if (known !== undefined) return known.id; // S1
        const found = judged(versions, text);
        if (found.kind === "incompatible") throw new IncompatibleSchema(subject, found.detail);
        const { rows } = await client.query<{ id: number }>(insertSchema, [text, digestOf(text)]);
        const { id } = rows[0]!;
        const version = (versions[0]?.version ?? 0) + 1;
        await client.query("insert into schema_versions (subject, version, id) values ($1, $2, $3)", [
          subject,
          version,
          id,
        ]);
        return id;
      });
    },
    async check(subject, schema) {
      const text = normalized(schema);
      return judged(await versionsOf(pool, subject), text);
    },
    async schema(id) {
      // Text parameter: a number from a damaged record may be larger than the column's type.
      const { rows } = await ask(() =>
        pool.query<{ schema: string }>("select schema from schemas where id = $1::bigint", [id]),
      );
      return rows[0]?.schema ?? null;
    },
  };
}

type Version = { readonly version: number; readonly id: number; readonly schema: string };

const insertSchema = `
  insert into schemas (schema, digest) values ($1, $2)
  on conflict (digest) do update set digest = excluded.digest returning id`;

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The newest first. */
async function versionsOf(connection: pg.Pool | pg.PoolClient, subject: string): Promise<Version[]> {
  const { rows } = await ask(() =>
    connection.query<Version>(
      "select version, id, schema from schema_versions join schemas using (id) where subject = $1 order by version desc",
      [subject],
    ),
  );
  return rows;
}

function judged(versions: readonly Version[], text: string): Compatibility {
  const newest = versions[0];
  if (newest === undefined || versions.some(({ schema }) => schema === text)) return { kind: "compatible" };
  return backwardCompatibility(text, newest.schema);
}

async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await ask(() => pool.connect());
  try {
    await client.query("begin");
    const outcome = await work(client);
    await client.query("commit");
    return outcome;
  } catch (error) {
    await client.query("rollback").catch(() => {});
    if (error instanceof IncompatibleSchema) throw error;
    return await ask(() => Promise.reject(error));
  } finally {
    client.release();
  }
}

async function ask<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (cause) {
    if (cause instanceof RegistryAway) throw cause;
    throw new RegistryAway(
      `The schemas in PostgreSQL cannot be reached: ${(cause as Error).message}. They are asked for again.`,
      { cause },
    );
  }
}
