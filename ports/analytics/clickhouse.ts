/**
 * The analytics in ClickHouse, over its HTTP interface. See clickhouse-schema.ts for how a table without transactions
 * holds each reading once.
 */
import { createHash } from "node:crypto";
import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from "@clickhouse/client";
import { type BucketGrid, bucketStart } from "../../core/history/buckets.ts";
import { type Resolution, resolutionMs } from "../../core/history/coverage.ts";
import { merged, type StatsBucket } from "../../core/history/stats.ts";
import { RowsRefused, type SeriesRange, type SeriesRow, StaleProgress } from "../time-series/port.ts";
import { storableText } from "../time-series/storable-text.ts";
import { aggregateTable, clickHouseTables, retentionChanges } from "./clickhouse-schema.ts";
import { type Analytics, AnalyticsAway, type AnalyticsRetention } from "./port.ts";

export type ClickHouseOptions = AnalyticsRetention & {
  /** http://user:password@host:8123/database; the database has to exist. */
  readonly url: string;
  /** Of one request; 60,000. */
  readonly timeoutMs?: number;
};

const written = "readings";
const aggregatedTo = "aggregates";

/** Makes its tables if they are missing, and sets how long they keep. @throws AnalyticsAway */
export async function openClickHouseAnalytics({
  url,
  timeoutMs = 60_000,
  ...keep
}: ClickHouseOptions): Promise<Analytics> {
  const client = createClient({
    url,
    request_timeout: timeoutMs,
    application: "doppel",
    log: { level: ClickHouseLogLevel.OFF },
  });
  const place = new URL(url).host;

  async function asked<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    try {
      return await question();
    } catch (cause) {
      throw new AnalyticsAway(`ClickHouse at ${place}: ${(cause as Error).message}`, { cause });
    }
  }

  async function select<Row>(query: string, query_params: Record<string, unknown> = {}): Promise<Row[]> {
    const settings: ClickHouseSettings = { output_format_json_quote_64bit_integers: 0 };
    return asked(async () => {
      const answer = await client.query({ query, query_params, format: "JSONEachRow", clickhouse_settings: settings });
      return answer.json<Row>();
    });
  }

  const insert = (table: string, values: readonly object[], settings: ClickHouseSettings = {}) =>
    asked(() =>
      client.insert({
        table,
        values: [...values],
        format: "JSONEachRow",
        clickhouse_settings: { ...settings, precise_float_parsing: 1 } as ClickHouseSettings, // the quick way is off by a last digit
      }),
    ).catch((error: Error) => {
      throw isRefusal(error.cause) ? new RowsRefused(error.message, { cause: error.cause }) : error;
    });

  async function stored(consumer: string): Promise<Map<string, { turn: number; offset: number }>> {
    const rows = await select<{ log_partition: string; turn: number; offset: number }>(
      `select log_partition, turn, next_offset as offset from sink_progress final where consumer = {consumer:String}`,
      { consumer },
    );
    return new Map(rows.map(({ log_partition, turn, offset }) => [log_partition, { turn, offset }]));
  }

  const note = (consumer: string, moves: readonly { log_partition: string; turn: number; next_offset: number }[]) =>
    insert(
      "sink_progress",
      moves.map((move) => ({ consumer, ...move })),
    );

  try {
    await ensureTables(client, keep);
  } catch (cause) {
    await client.close();
    throw new AnalyticsAway(`ClickHouse at ${place} does not give its tables: ${(cause as Error).message}`, { cause });
  }

  return {
    progressIn: async (partition) => (await stored(written)).get(partition)?.offset ?? null,

    async write(rows, { from, to, partition = "" }) {
      const at = (await stored(written)).get(partition);
      if (at !== undefined && at.offset !== from)
        throw new StaleProgress(`analytics stand at ${at.offset} in "${partition}", not at ${from}; go on from there`);
      if (rows.length > 0)
        await insert(
          "readings",
          rows.map((row) => storedRow(row, partition)),
          {
            // What is sent again because its answer was lost is not even written again.
            insert_deduplication_token: `${partition} ${from}-${to} ${digestOf(rows)}`,
          },
        );
      await note(written, [{ log_partition: partition, turn: (at?.turn ?? 0) + 1, next_offset: to }]);
    },

    async readings(range, atMost) {
      const rows = await select<StoredReading>(
        `select toUnixTimestamp64Milli(ts) as at, log_offset as offset, value, value_bool as bool, value_text as text, flags
         from readings final where ${inRange("ts")} order by ts desc, log_offset desc limit {atMost:UInt32}`,
        { ...parameters(range), atMost },
      );
      return rows.reverse().map(({ at, offset, value, bool, text, flags }) => ({
        tsMs: at,
        offset,
        value: bool ?? text ?? value!,
        flags: flags.length === 0 ? null : flags,
      }));
    },

    buckets: (range, { widthMs, originMs }) =>
      select<StatsBucket>(
        `select ${bucketOf("ts", "{width:Int64}", "{origin:Int64}")} as tsMs, ${statistics}
         from readings final where ${inRange("ts")} and value is not null group by tsMs order by tsMs`,
        { ...parameters(range), width: widthMs, origin: originMs },
      ),

    async aggregated(range, resolution, grid) {
      const parts = await select<StatsBucket>(
        `select toUnixTimestamp64Milli(bucket) as tsMs, count, mean, m2, min, max, flagged
         from ${aggregateTable[resolution]} final where ${inRange("bucket")} order by bucket, received_week`,
        parameters(range),
      );
      return inGrid(parts, grid);
    },

    async refresh() {
      const [upTo, done] = [await stored(written), await stored(aggregatedTo)];
      const news = [...upTo].flatMap(([partition, { offset: to }]) => {
        const before = done.get(partition);
        const from = before === undefined || before.offset > to ? 0 : before.offset; // a log that was made anew
        return from === to ? [] : [{ partition, from, to, turn: (before?.turn ?? 0) + 1 }];
      });
      if (news.length === 0) return;
      for (const resolution of Object.keys(aggregateTable) as Resolution[]) {
        const { text, values } = aggregate(resolution, news);
        await asked(() => client.command({ query: text, query_params: values }));
      }
      await note(
        aggregatedTo,
        news.map(({ partition, turn, to }) => ({ log_partition: partition, turn, next_offset: to })),
      );
    },

    close: () => client.close(),
  };
}

/**
 * That the server cannot read a value, which will be the same later: CANNOT_PARSE_TEXT, _INPUT, _DATE, _DATETIME, _NUMBER,
 * TOO_LARGE_ARRAY_SIZE, TOO_LARGE_STRING_SIZE, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE. Not what a table says that is not ours.
 */
const refusalCodes = new Set(["6", "27", "38", "41", "72", "128", "131", "321"]);

function isRefusal(cause: unknown): boolean {
  return cause instanceof ClickHouseError && refusalCodes.has(cause.code);
}

async function ensureTables(client: ClickHouseClient, keep: AnalyticsRetention): Promise<void> {
  for (const query of clickHouseTables) await client.command({ query });
  const answer = await client.query({
    query: "select name, engine_full as engine from system.tables where database = currentDatabase()",
    format: "JSONEachRow",
  });
  const tables = await answer.json<{ name: string; engine: string }>();
  const engines = new Map(tables.map(({ name, engine }) => [name, engine]));
  for (const query of retentionChanges(keep, engines)) await client.command({ query });
}

type StoredReading = {
  readonly at: number;
  readonly offset: number;
  readonly value: number | null;
  readonly bool: boolean | null;
  readonly text: string | null;
  readonly flags: readonly string[];
};

function storedRow(row: SeriesRow, partition: string): object {
  const { value } = row;
  const tags = Object.entries(row.tags ?? {}).map(([name, tag]) => [storableText(name), storableText(tag)]);
  return {
    device_id: storableText(row.device),
    metric: storableText(row.metric),
    ts: timeText(row.tsMs),
    received_at: timeText(row.receivedAtMs),
    log_partition: partition,
    log_offset: row.offset,
    value: typeof value === "string" ? null : Number(value),
    value_bool: typeof value === "boolean" ? value : null,
    value_text: typeof value === "string" ? storableText(value) : null,
    flags: row.flags ?? [],
    tags: Object.fromEntries(tags),
    type: storableText(row.type),
    region: storableText(row.region),
  };
}

/** What DateTime64(3) holds in every release: the years 1900 to 2299. */
const [oldestMs, newestMs] = [Date.UTC(1900, 0, 1), Date.UTC(2300, 0, 1) - 1];

/** "2026-11-21 12:00:00.000"; a clock that is beyond ClickHouse's calendar stands at its end. */
function timeText(atMs: number): string {
  const within = Math.min(Math.max(atMs, oldestMs), newestMs);
  return new Date(within).toISOString().slice(0, 23).replace("T", " ");
}

function parameters({ device, metric, fromMs, toMs }: SeriesRange): Record<string, unknown> {
  return {
    device: storableText(device),
    metric: storableText(metric),
    from: timeText(fromMs),
    // The end of the calendar is within: nothing is beyond it.
    to: toMs > newestMs ? "2299-12-31 23:59:59.999" : timeText(toMs),
    open: toMs > newestMs ? 1 : 0,
  };
}

const inRange = (column: string) => `device_id = {device:String} and metric = {metric:String}
  and ${column} >= {from:DateTime64(3, 'UTC')} and (${column} < {to:DateTime64(3, 'UTC')} or {open:UInt8} = 1)`;

/** Epoch ms of the beginning of the bucket that holds the time. */
const bucketOf = (column: string, width: string, origin: string) =>
  `toUnixTimestamp64Milli(${column}) - positiveModulo(toUnixTimestamp64Milli(${column}) - ${origin}, ${width})`;

const statistics = `count() as count, avg(value) as mean, varPopStable(value) * count() as m2,
  min(value) as min, max(value) as max, countIf(notEmpty(flags)) as flagged`;

type News = { readonly partition: string; readonly from: number; readonly to: number };

/** Makes the aggregates anew that the records from `from` to before `to` have to do with. */
function aggregate(resolution: Resolution, news: readonly News[]): { text: string; values: Record<string, unknown> } {
  const width = resolutionMs[resolution];
  const bucket = `fromUnixTimestamp64Milli(${bucketOf("ts", String(width), "0")}, 'UTC')`;
  const group = `device_id, metric, ${bucket} as bucket, toMonday(received_at) as received_week`;
  const values: Record<string, unknown> = {};
  const isNew = news.map(({ partition, from, to }, index) => {
    values[`p${index}`] = partition;
    return `(log_partition = {p${index}:String} and log_offset >= ${from} and log_offset < ${to})`;
  });
  const touched = `select ${group} from readings where value is not null and (${isNew.join(" or ")})
    group by device_id, metric, bucket, received_week`;
  const text = `insert into ${aggregateTable[resolution]}
      (device_id, metric, bucket, received_week, count, mean, m2, min, max, flagged)
    select ${group}, ${statistics} from readings final
    where value is not null and (device_id, metric, bucket, received_week) in (${touched})
    group by device_id, metric, bucket, received_week`;
  return { text, values };
}

/** Parts in order of their times, added up in the buckets of the grid. */
function inGrid(parts: readonly StatsBucket[], grid: BucketGrid): StatsBucket[] {
  const buckets: StatsBucket[] = [];
  for (const part of parts) {
    const tsMs = bucketStart(part.tsMs, grid);
    const last = buckets.at(-1);
    if (last?.tsMs === tsMs) buckets[buckets.length - 1] = { tsMs, ...merged(last, part) };
    else buckets.push({ ...part, tsMs });
  }
  return buckets;
}

function digestOf(rows: readonly SeriesRow[]): string {
  const hash = createHash("sha256");
  for (const { device, metric, tsMs, offset } of rows) hash.update(JSON.stringify([device, metric, tsMs, offset]));
  return hash.digest("base64url").slice(0, 16);
}
