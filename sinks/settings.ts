/** The sinks' slice of the configuration: plain data, since it goes to a thread. */

export type SinksSettings = {
  /** All retention in ms. */
  readonly telemetryRetentionMs: number;
  readonly minuteRetentionMs: number;
  readonly hourRetentionMs: number;
  readonly qualityRetentionMs: number;
  readonly eventRetentionMs: number;
  readonly timeSeries: "auto" | "postgres" | "timescale";
  /** TimescaleDB compresses readings of that age. */
  readonly compressAfterMs: number;
  /** Null: no Parquet. */
  readonly archive: ArchiveSettings | null;
  /** "": none. */
  readonly clickhouseUrl: string;
};

export type ArchiveSettings = StoreSettings & {
  /** Readings that wait at most for a file, over all partitions, and how long. */
  readonly maxRows: number;
  readonly maxAgeMs: number;
  /** Null: for ever. */
  readonly retentionDays: number | null;
};

/** Where objects are. */
export type StoreSettings = {
  /** "s3://bucket/prefix" or a folder. */
  readonly place: string;
  readonly endpoint: string;
  readonly region: string;
  /** "": whatever the AWS SDK finds. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
};

const dayMs = 86_400_000;

/** @param archivePlace null: no archive */
export function sinksSettingsOf(config: HistoryConfig, archivePlace: string | null): SinksSettings {
  return {
    telemetryRetentionMs: config.telemetryRetentionDays * dayMs,
    minuteRetentionMs: config.minuteRetentionDays * dayMs,
    hourRetentionMs: config.hourRetentionDays * dayMs,
    qualityRetentionMs: config.qualityRetentionDays * dayMs,
    eventRetentionMs: config.eventRetentionDays * dayMs,
    timeSeries: config.timeSeries,
    compressAfterMs: config.compressAfterDays * dayMs,
    archive:
      archivePlace === null
        ? null
        : {
            ...storeSettingsOf(config, archivePlace),
            maxRows: config.archiveRows,
            maxAgeMs: config.archiveMinutes * 60_000,
            retentionDays: config.archiveRetentionDays === 0 ? null : config.archiveRetentionDays,
          },
    clickhouseUrl: config.clickhouseUrl,
  };
}

export function storeSettingsOf(config: StoreConfig, place: string): StoreSettings {
  return {
    place,
    endpoint: config.s3Endpoint,
    region: config.s3Region,
    accessKeyId: config.s3AccessKeyId,
    secretAccessKey: config.s3SecretAccessKey,
  };
}

/** As the option tables name them: days, minutes, rows. */
export type HistoryConfig = StoreConfig & {
  readonly telemetryRetentionDays: number;
  readonly minuteRetentionDays: number;
  readonly hourRetentionDays: number;
  readonly qualityRetentionDays: number;
  readonly eventRetentionDays: number;
  readonly timeSeries: SinksSettings["timeSeries"];
  readonly compressAfterDays: number;
  readonly archiveRows: number;
  readonly archiveMinutes: number;
  readonly archiveRetentionDays: number;
  readonly clickhouseUrl: string;
};

type StoreConfig = {
  readonly s3Endpoint: string;
  readonly s3Region: string;
  readonly s3AccessKeyId: string;
  readonly s3SecretAccessKey: string;
};
