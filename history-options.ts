/** Options of what keeps and finds history, the same for the embedded system and the roles. Tables, read elsewhere. */
import { oneOf, orNothing, text, url, whole } from "./option-values.ts";
import { option, secretOption } from "./options.ts";

const days = whole(1, 36_500);
const httpUrl = url("http://127.0.0.1:9000", "http", "https");

/** How long history is kept, and where. */
export const seriesOptions = {
  minuteRetentionDays: option("DOPPEL_MINUTE_RETENTION_DAYS", "400", days, "how long 1-minute aggregates are kept"),
  hourRetentionDays: option("DOPPEL_HOUR_RETENTION_DAYS", "3650", days, "how long 1-hour aggregates are kept"),
  qualityRetentionDays: option("DOPPEL_QUALITY_RETENTION_DAYS", "400", days, "how long figures of quality are kept"),
  timeSeries: option(
    "DOPPEL_TIME_SERIES",
    "auto",
    oneOf("auto", "postgres", "timescale"),
    "auto: TimescaleDB where the database has it",
  ),
  compressAfterDays: option("DOPPEL_COMPRESS_AFTER_DAYS", "7", days, "age at which TimescaleDB compresses readings"),
};

/** How much work a sink does at once. */
export const sinkOptions = {
  sinkBatchRecords: option(
    "DOPPEL_SINK_BATCH_RECORDS",
    "5000",
    whole(1, 100_000),
    "records that a sink takes at most at a time",
  ),
  // Longer ones would have Kafka take the member for dead (session of 6 s).
  sinkLingerMs: option(
    "DOPPEL_SINK_LINGER_MS",
    "200",
    whole(0, 2_000),
    "ms that a sink lets records come together, when there are few",
  ),
};

/** The archive. Its place differs by mode: see config.ts and role-config.ts. */
export const archiveOptions = {
  archiveRows: option("DOPPEL_ARCHIVE_ROWS", "200000", whole(100, 5_000_000), "readings that wait at most for a file"),
  archiveMinutes: option("DOPPEL_ARCHIVE_MINUTES", "10", whole(1, 1_440), "minutes that they wait at most"),
  archiveRetentionDays: option(
    "DOPPEL_ARCHIVE_RETENTION_DAYS",
    "0",
    whole(0, 36_500),
    "how long its files are kept; 0: for ever",
  ),
  s3Endpoint: option("DOPPEL_S3_ENDPOINT", "", orNothing(httpUrl), "S3 server that is not AWS's"),
  s3Region: option("AWS_REGION", "us-east-1", text, "region of the bucket"),
  s3AccessKeyId: secretOption("AWS_ACCESS_KEY_ID", "key of the bucket; without one, what AWS's own rules find"),
  s3SecretAccessKey: secretOption("AWS_SECRET_ACCESS_KEY", "its secret"),
};

/** Where Parquet goes. */
export const archivePlace = (standard: string, defaultIs?: string) =>
  option(
    "DOPPEL_ARCHIVE",
    standard,
    text,
    "Parquet archive: a folder, s3://bucket/prefix, or off",
    defaultIs === undefined ? {} : { defaultIs },
  );

/** A database of analysts, beside everything else: what it keeps is its own affair. */
export const clickhouseOptions = {
  clickhouseUrl: option(
    "CLICKHOUSE_URL",
    "",
    orNothing(url("http://user:password@127.0.0.1:8123/doppel", "http", "https")),
    "ClickHouse that gets all readings too",
    { inFile: true },
  ),
  clickhouseRetentionDays: option(
    "DOPPEL_CLICKHOUSE_RETENTION_DAYS",
    "0",
    whole(0, 36_500),
    "how long ClickHouse keeps readings; 0: for ever",
  ),
};
