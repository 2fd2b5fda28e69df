import type { Pool } from "pg";
import { ensureSchema } from "../time-series/sink-offsets.ts";
import { storableText } from "../time-series/storable-text.ts";
import { contentLimit, type SinkDeadLetter, type SinkDeadLetters } from "./port.ts";

/** `digest`: of what names the letter, since a part may be too long for an index. That may be why it is here. */
const schema = `
  create table if not exists sink_dead_letters (
    number bigint generated always as identity primary key,
    digest bytea not null unique,
    sink text not null,
    partition text not null,
    log_offset bigint not null,
    part text not null,
    device_id text not null,
    reason text not null,
    content text not null,
    at timestamptz not null
  );
`;

/** Makes its table if it is missing. */
export async function openPostgresSinkDeadLetters(pool: Pool): Promise<SinkDeadLetters> {
  await ensureSchema(pool, "sink-dead-letters", schema);
  return {
    async add(letters) {
      if (letters.length === 0) return;
      const column = (of: (letter: SinkDeadLetter) => string) => letters.map((letter) => storableText(of(letter)));
      await pool.query(
        `insert into sink_dead_letters (digest, sink, partition, log_offset, part, device_id, reason, content, at)
         select sha256(convert_to(jsonb_build_array(sink, partition, log_offset, part)::text, 'UTF8')),
           sink, partition, log_offset, part, device, reason, content, to_timestamp(at / 1000)
         from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
           $8::double precision[]) as letter(sink, partition, log_offset, part, device, reason, content, at)
         on conflict do nothing`,
        [
          column(({ sink }) => sink),
          column(({ partition }) => partition),
          letters.map(({ offset }) => offset),
          column(({ part }) => part),
          column(({ device }) => device),
          column(({ reason }) => reason),
          column(({ content }) => content.slice(0, contentLimit)),
          letters.map(({ atMs }) => atMs),
        ],
      );
    },
    async list({ sink = null, limit, after = null }) {
      const { rows } = await pool.query({
        text: `select number::double precision, sink, partition, log_offset::double precision, part, device_id, reason,
            content, round(date_part('epoch', at) * 1000)
          from sink_dead_letters where ($1::text is null or sink = $1) and ($2::bigint is null or number < $2)
          order by number desc limit $3`,
        values: [sink, after, limit],
        rowMode: "array",
      });
      return rows.map(([number, name, partition, offset, part, device, reason, content, atMs]) => ({
        ...{ number, sink: name, partition, offset, part, device, reason, content, atMs },
      }));
    },
    async counts() {
      const { rows } = await pool.query("select sink, count(*)::integer as count from sink_dead_letters group by sink");
      return Object.fromEntries(rows.map(({ sink, count }) => [sink, count]));
    },
    async trim(beforeMs) {
      const { rowCount } = await pool.query(
        "delete from sink_dead_letters where at < to_timestamp($1::double precision / 1000)",
        [beforeMs],
      );
      return rowCount ?? 0;
    },
  };
}
