/**
 * Quality figures in plain PostgreSQL (15 or newer): a row per minute, type, region and partition, and one per rule that
 * was broken. Partition is in the key so that the sinks of several partitions never wait for a row of each other;
 * `maintain` puts them together later (partition ""), and makes hours of minutes.
 */
import type { Pool, PoolClient } from "pg";
import { tellingRefusal } from "../time-series/refusal.ts";
import {
  ensureSchema,
  inTransaction,
  inTransactionAgain,
  moveProgress,
  readProgress,
} from "../time-series/sink-offsets.ts";
import { storableText } from "../time-series/storable-text.ts";
import type { QualityCounts, QualityFilter, QualityRow, QualityStats, RuleOutcome } from "./port.ts";

const consumer = "quality";

/** Columns that add up, as the port names them. */
const sums = {
  accepted: "accepted",
  flagged: "flagged",
  quarantined: "quarantined",
  refused: "refused",
  duplicates: "duplicates",
  incomplete: "incomplete",
  inaccurate: "inaccurate",
  timely: "timely",
  readings: "readings",
  flagged_readings: "flaggedReadings",
  delay_sum_ms: "delaySumMs",
} as const satisfies Record<string, keyof QualityCounts>;
/** Columns of which the greatest counts. */
const maxima = { delay_max_ms: "delayMaxMs", newest_ms: "newestMs" } as const satisfies Record<
  string,
  keyof QualityCounts
>;
const columns = { ...sums, ...maxima };
const names = Object.keys(columns) as (keyof typeof columns)[];

const key = 'start_ms bigint not null, type text collate "C" not null, region text collate "C" not null';
const countColumns = names.map((name) => `${name} bigint not null`).join(", ");

const schema = ["minutes", "hours"]
  .map(
    (table) => `
  create table if not exists quality_${table} (${key}, part text collate "C" not null, ${countColumns},
    primary key (start_ms, type, region, part)) with (fillfactor = 80);
  create table if not exists quality_rules_${table} (${key}, rule text collate "C" not null,
    outcome text collate "C" not null, part text collate "C" not null, messages bigint not null,
    primary key (start_ms, type, region, rule, outcome, part)) with (fillfactor = 80);
`,
  )
  .concat(
    "create table if not exists quality_rollup (one boolean primary key check (one), minutes_from_ms bigint not null);",
  )
  .join("");

/** Makes its tables if they are missing. */
export async function openPostgresQualityStats(pool: Pool): Promise<QualityStats> {
  await ensureSchema(pool, consumer, schema);
  return {
    progress: async () => (await readProgress(pool, consumer)) ?? 0,
    progressIn: (partition) => readProgress(pool, consumer, partition),
    async add(rows, progress) {
      const add = async (client: PoolClient) => {
        // The log has what a crash takes back, progress included: no need to wait for the disk.
        await client.query("set local synchronous_commit = off");
        await moveProgress(client, consumer, progress);
        await addCounts(client, rows, progress.partition ?? "");
        await addRules(client, rows, progress.partition ?? "");
      };
      await tellingRefusal(() => inTransactionAgain(pool, add));
    },
    async minutesFrom() {
      const { rows } = await pool.query("select minutes_from_ms from quality_rollup");
      return rows.length === 0 ? Number.NEGATIVE_INFINITY : Number(rows[0].minutes_from_ms);
    },
    async buckets(filter, intervalMs) {
      const { where, values } = conditions(filter, [intervalMs]);
      const { rows } = await pool.query(
        `select start_ms / $1::bigint * $1::bigint as bucket_ms, ${aggregates} from ${both("quality_", where)}
         group by 1 order by 1`,
        values,
      );
      return rows.map((row) => ({ startMs: Number(row.bucket_ms), counts: countsOf(row) }));
    },
    async groups(filter) {
      const { where, values } = conditions(filter, []);
      const { rows } = await pool.query(
        `select type, region, ${aggregates} from ${both("quality_", where)} group by 1, 2 order by 1, 2`,
        values,
      );
      return rows.map((row) => ({ type: row.type, region: row.region, counts: countsOf(row) }));
    },
    async rules(filter, intervalMs) {
      const { where, values } = conditions(filter, [intervalMs], filter.rule);
      const { rows } = await pool.query(
        `select rule, outcome, start_ms / $1::bigint * $1::bigint as bucket_ms, type, region, sum(messages) as messages
         from ${both("quality_rules_", where)} group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5`,
        values,
      );
      return rows.map(({ rule, outcome, bucket_ms, type, region, messages }) => ({
        ...{ rule: rule as string, outcome: outcome as RuleOutcome, type: type as string, region: region as string },
        ...{ startMs: Number(bucket_ms), messages: Number(messages) },
      }));
    },
    async maintain({ mergeBeforeMs, minutesBeforeMs, hoursBeforeMs }) {
      await inTransaction(pool, async (client) => {
        // Of two that run it at the same time, the second finds nothing left to do.
        await client.query("select pg_advisory_xact_lock(hashtextextended('doppel quality rollup', 0))");
        await client.query(
          `insert into quality_rollup values (true, $1) on conflict (one)
           do update set minutes_from_ms = greatest(quality_rollup.minutes_from_ms, excluded.minutes_from_ms)`,
          [minutesBeforeMs],
        );
        await client.query(rollUpCounts, [minutesBeforeMs]);
        await client.query(rollUpRules, [minutesBeforeMs]);
        await client.query(mergeCounts, [mergeBeforeMs]);
        await client.query(mergeRules, [mergeBeforeMs]);
        await client.query("delete from quality_hours where start_ms < $1", [hoursBeforeMs]);
        await client.query("delete from quality_rules_hours where start_ms < $1", [hoursBeforeMs]);
      });
    },
  };
}

/** What is there already, with what comes. */
const addedUp = (table: string) =>
  [
    ...Object.keys(sums).map((name) => `${name} = ${table}.${name} + excluded.${name}`),
    ...Object.keys(maxima).map((name) => `${name} = greatest(${table}.${name}, excluded.${name})`),
  ].join(", ");

const aggregates = [
  ...Object.keys(sums).map((name) => `sum(${name}) as ${name}`),
  ...Object.keys(maxima).map((name) => `max(${name}) as ${name}`),
].join(", ");

const hourOf = "start_ms / 3600000 * 3600000";

/** Takes rows away and adds them to others, in one statement: no reader sees them twice or not at all. */
const movedCounts = (gone: string, table: string, start: string) => `
  with gone as (delete from quality_minutes where ${gone} returning *)
  insert into ${table} (start_ms, type, region, part, ${names.join(", ")})
  select ${start}, type, region, '', ${aggregates} from gone group by 1, 2, 3
  on conflict (start_ms, type, region, part) do update set ${addedUp(table)}`;

const movedRules = (gone: string, table: string, start: string) => `
  with gone as (delete from quality_rules_minutes where ${gone} returning *)
  insert into ${table} (start_ms, type, region, rule, outcome, part, messages)
  select ${start}, type, region, rule, outcome, '', sum(messages) from gone group by 1, 2, 3, 4, 5
  on conflict (start_ms, type, region, rule, outcome, part)
  do update set messages = ${table}.messages + excluded.messages`;

const rollUpCounts = movedCounts("start_ms < $1", "quality_hours", hourOf);
const rollUpRules = movedRules("start_ms < $1", "quality_rules_hours", hourOf);
const mergeCounts = movedCounts("start_ms < $1 and part <> ''", "quality_minutes", "start_ms");
const mergeRules = movedRules("start_ms < $1 and part <> ''", "quality_rules_minutes", "start_ms");

async function addCounts(client: PoolClient, rows: readonly QualityRow[], part: string): Promise<void> {
  if (rows.length === 0) return;
  const arrays = names.map((_, index) => `$${index + 5}::bigint[]`).join(", ");
  await client.query(
    `insert into quality_minutes (start_ms, type, region, part, ${names.join(", ")})
     select start_ms, type, region, $1, ${aggregates}
     from unnest($2::bigint[], $3::text[], $4::text[], ${arrays}) as u (start_ms, type, region, ${names.join(", ")})
     group by 1, 2, 3
     on conflict (start_ms, type, region, part) do update set ${addedUp("quality_minutes")}`,
    [
      part,
      rows.map(({ minuteMs }) => minuteMs),
      rows.map(({ type }) => storableText(type)),
      rows.map(({ region }) => storableText(region)),
      ...names.map((name) => rows.map(({ counts }) => Math.round(counts[columns[name]]))),
    ],
  );
}

async function addRules(client: PoolClient, rows: readonly QualityRow[], part: string): Promise<void> {
  const broken = rows.flatMap(({ minuteMs, type, region, rules }) =>
    rules.map((rule) => ({ ...rule, minuteMs, type, region })),
  );
  if (broken.length === 0) return;
  await client.query(
    `insert into quality_rules_minutes (start_ms, type, region, rule, outcome, part, messages)
     select start_ms, type, region, rule, outcome, $1, sum(messages)
     from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
       as u (start_ms, type, region, rule, outcome, messages)
     group by 1, 2, 3, 4, 5
     on conflict (start_ms, type, region, rule, outcome, part)
     do update set messages = quality_rules_minutes.messages + excluded.messages`,
    [
      part,
      broken.map(({ minuteMs }) => minuteMs),
      broken.map(({ type }) => storableText(type)),
      broken.map(({ region }) => storableText(region)),
      broken.map(({ rule }) => storableText(rule)),
      broken.map(({ outcome }) => outcome),
      broken.map(({ messages }) => messages),
    ],
  );
}

/** Minutes and hours of the range as one table. */
function both(prefix: "quality_" | "quality_rules_", where: string): string {
  return `(select * from ${prefix}minutes ${where} union all select * from ${prefix}hours ${where}) as q`;
}

function conditions(
  { type, region, fromMs, toMs }: QualityFilter,
  before: readonly unknown[],
  rule?: string,
): { where: string; values: unknown[] } {
  const values: unknown[] = [...before, fromMs, toMs];
  const all = [`start_ms >= $${values.length - 1}`, `start_ms < $${values.length}`];
  for (const [column, value] of Object.entries({ type, region, rule })) {
    if (value === undefined) continue;
    values.push(storableText(value));
    all.push(`${column} = $${values.length}`);
  }
  return { where: `where ${all.join(" and ")}`, values };
}

function countsOf(row: Record<string, string>): QualityCounts {
  return Object.fromEntries(names.map((name) => [columns[name], Number(row[name])])) as QualityCounts;
}
