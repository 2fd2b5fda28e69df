/**
 * Membership in PostgreSQL: a row per process. Its clock says who is alive, so that the processes' own clocks need not
 * agree. Beats do not wait for the disk: a crash of the database takes back a second.
 */
import type pg from "pg";
import { byRoleAndName, forgetAfterMs, type Member, type Membership, type SeenMember } from "./port.ts";

/** Room on each page: beats rewrite their rows in place. */
const schema = `
  select pg_advisory_xact_lock(hashtext('doppel members'));
  create table if not exists members (
    id text primary key,
    member text not null,
    seen_at timestamptz not null,
    has_left boolean not null default false
  ) with (fillfactor = 50);
`;

/** Opens the membership; makes its table if it is missing. */
export async function openPostgresMembership(pool: pg.Pool, { deadAfterMs = 5_000 } = {}): Promise<Membership> {
  await pool.query(schema);
  return {
    async beat(member) {
      await pool.query({ name: "members-beat", text: beatSql, values: [member.id, JSON.stringify(member)] });
    },
    async leave(id) {
      await pool.query("update members set has_left = true where id = $1", [id]);
    },
    async members() {
      const { rows } = await pool.query<MemberRow>({ name: "members", text: membersSql, values: [deadAfterMs] });
      return rows.map(seenMember).sort(byRoleAndName);
    },
  };
}

const forgotten = `clock_timestamp() - interval '${forgetAfterMs} milliseconds'`;

const beatSql = `
  with forgot as (
    delete from members where id in (
      select id from members where seen_at <= ${forgotten} and id <> $1 for update skip locked
    )
  )
  insert into members as m (id, member, seen_at)
  select $1, $2, clock_timestamp() where (select set_config('synchronous_commit', 'off', true)) is not null
  on conflict (id) do update set member = excluded.member, seen_at = excluded.seen_at where not m.has_left`;

const membersSql = `
  select member, floor(extract(epoch from seen_at) * 1000)::text as seen_at_ms,
    not has_left and seen_at > clock_timestamp() - $1 * interval '1 millisecond' as alive
  from members where seen_at > ${forgotten}`;

type MemberRow = { member: string; seen_at_ms: string; alive: boolean };

function seenMember({ member, seen_at_ms, alive }: MemberRow): SeenMember {
  return { ...(JSON.parse(member) as Member), seenAtMs: Number(seen_at_ms), alive };
}
