import type { Pool } from "pg";
import { storableText } from "../time-series/storable-text.ts";
import type { ClaimAnswer, Resend, ResendClaim, ResendOutcome, Resends } from "./port.ts";

const schema = `
  select pg_advisory_xact_lock(hashtextextended('doppel resends', 0));
  create table if not exists dead_letter_resends (
    letter text collate "C" primary key,
    device text collate "C" not null,
    asked_by text not null,
    token text not null,
    claimed_at_ms bigint not null,
    tries integer not null default 1,
    correction text not null,
    override boolean not null,
    payload bytea,
    settled_at_ms bigint,
    outcome jsonb
  );
`;
const columns = "letter, device, asked_by, claimed_at_ms, tries, correction, override, payload, settled_at_ms, outcome";

/** Resends in PostgreSQL; makes the table if it is missing. A row stays: it is small once it is settled. */
export async function openPostgresResends(pool: Pool): Promise<Resends> {
  await pool.query(schema);
  return {
    claim,
    async settle(letter, token, { atMs, outcome }) {
      const { rowCount } = await pool.query(
        `update dead_letter_resends set settled_at_ms = $3, outcome = $4, payload = null
         where letter = $1 and token = $2 and settled_at_ms is null`,
        [letter, token, atMs, JSON.stringify(storable(outcome))],
      );
      return rowCount === 1;
    },
    async release(letter, token) {
      await pool.query("delete from dead_letter_resends where letter = $1 and token = $2 and settled_at_ms is null", [
        letter,
        token,
      ]);
    },
    find,
  };

  async function claim(asked: ResendClaim, abandonedBeforeMs: number): Promise<ClaimAnswer> {
    const { letter, device, by, token, atMs, correction, override, payload } = asked;
    const taken = await pool.query(
      `insert into dead_letter_resends (letter, device, asked_by, token, claimed_at_ms, correction, override, payload)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
      [letter, device, storableText(by), token, atMs, correction, override, payload],
    );
    if (taken.rowCount === 1) return { kind: "claimed" };
    // One statement: of two that come at the same time, the second finds the first one's time.
    const { rows } = await pool.query(
      `update dead_letter_resends set token = $2, claimed_at_ms = $3, asked_by = $4, tries = tries + 1
         where letter = $1 and settled_at_ms is null and claimed_at_ms < $5 and $6 in ('', correction)
         returning ${columns}`,
      [letter, token, atMs, storableText(by), abandonedBeforeMs, correction],
    );
    const resend = rows.length === 0 ? undefined : resendOf(rows[0]);
    if (resend !== undefined) return { kind: "takenOver", resend: { ...resend, payload: resend.payload! } };
    const held = (await find([letter])).get(letter);
    // It was released in between: as if nobody had ever had it.
    if (held === undefined) return claim(asked, abandonedBeforeMs);
    return { kind: "taken", resend: held };
  }

  async function find(letters: readonly string[]): Promise<Map<string, Resend>> {
    const { rows } = await pool.query(`select ${columns} from dead_letter_resends where letter = any($1)`, [letters]);
    return new Map(rows.map((row) => [row.letter, resendOf(row)]));
  }
}

type Row = {
  letter: string;
  device: string;
  asked_by: string;
  claimed_at_ms: string;
  tries: number;
  correction: string;
  override: boolean;
  payload: Buffer | null;
  settled_at_ms: string | null;
  outcome: ResendOutcome | null;
};

function resendOf({ letter, device, tries, correction, override, payload, outcome, ...row }: Row): Resend {
  const settled = outcome === null ? null : { atMs: Number(row.settled_at_ms), outcome };
  const bytes = payload === null ? null : new Uint8Array(payload);
  const claimedAtMs = Number(row.claimed_at_ms);
  return { letter, device, by: row.asked_by, claimedAtMs, tries, correction, override, payload: bytes, settled };
}

function storable(outcome: ResendOutcome): ResendOutcome {
  return outcome.kind === "refused" ? { ...outcome, detail: storableText(outcome.detail) } : outcome;
}
