import type { Pool } from "pg";
import type { JsonObject } from "../../core/json.ts";
import type { RetainedMessage, RetainedStore } from "./port.ts";

/** Retained messages in the table `mqtt_retained`, which is made if it is not there. The pool stays the caller's. */
export async function openPostgresRetainedStore(pool: Pool): Promise<RetainedStore> {
  await pool.query(`
    create table if not exists mqtt_retained (
      topic text primary key,
      payload bytea not null,
      qos smallint not null,
      properties jsonb,
      expires_at_ms bigint
    )`);
  return new PostgresRetained(pool);
}

/**
 * Saves are collected while one commit is in flight, so that any number of them costs one statement at a time. Of one
 * topic only the newest is written; each save resolves when it, or a newer one of its topic, is durable.
 */
class PostgresRetained implements RetainedStore {
  readonly #pool: Pool;
  #next = new Map<string, RetainedMessage>();
  #nextCommit: Promise<void> | null = null;
  #lastCommit: Promise<void> = Promise.resolve();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async load(): Promise<RetainedMessage[]> {
    const { rows } = await this.#pool.query<Row>(
      "select topic, payload, qos, properties, expires_at_ms from mqtt_retained",
    );
    return rows.map((row) => ({
      topic: row.topic,
      payload: row.payload,
      qos: row.qos,
      properties: row.properties,
      expiresAtMs: row.expires_at_ms === null ? null : Number(row.expires_at_ms),
    }));
  }

  save(message: RetainedMessage): Promise<void> {
    this.#next.set(message.topic, message);
    if (this.#nextCommit === null) {
      const commit = this.#lastCommit.then(() => this.#commit());
      this.#nextCommit = commit;
      this.#lastCommit = commit.catch(() => {}); // told to those who wait for it; the next one is another try
    }
    return this.#nextCommit;
  }

  async #commit(): Promise<void> {
    const messages = [...this.#next.values()];
    this.#next = new Map();
    this.#nextCommit = null;
    const kept = messages.filter((message) => message.payload.length > 0);
    await this.#pool.query(
      `with cleared as (delete from mqtt_retained where topic = any($1::text[]))
       insert into mqtt_retained
       select * from unnest($2::text[], $3::bytea[], $4::smallint[], $5::jsonb[], $6::bigint[])
       on conflict (topic) do update set
         payload = excluded.payload, qos = excluded.qos,
         properties = excluded.properties, expires_at_ms = excluded.expires_at_ms`,
      [
        messages.filter((message) => message.payload.length === 0).map((message) => message.topic),
        kept.map((message) => message.topic),
        kept.map((message) => Buffer.from(message.payload)),
        kept.map((message) => message.qos),
        kept.map((message) => (message.properties === null ? null : JSON.stringify(message.properties))),
        kept.map((message) => message.expiresAtMs),
      ],
    );
  }
}

type Row = {
  topic: string;
  payload: Buffer;
  qos: 0 | 1 | 2;
  properties: JsonObject | null;
  expires_at_ms: string | null;
};
