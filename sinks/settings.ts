/** The sinks' slice of the configuration: plain data, since it goes to a thread. */
import { type StoreConfig, type StoreSettings, storeSettingsOf } from "../ports/object-store/settings.ts";

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
  /** How long it keeps readings; null: for ever. */
  readonly clickhouseRetentionMs: number | null;
  /** A sink takes at most so many records at a time. */
  readonly batchRecords: number;
  /** Where there are few, it lets them come together for so long. */
  readonly lingerMs: number;
};

export type ArchiveSettings = StoreSettings & {
  /** Readings that wait at most for a file, over all partitions, and how long. */
  readonly maxRows: number;
  readonly maxAgeMs: number;
  /** Null: for ever. */
  readonly retentionDays: number | null;
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
    clickhouseRetentionMs: config.clickhouseRetentionDays === 0 ? null : config.clickhouseRetentionDays * dayMs,
    batchRecords: config.sinkBatchRecords,
    lingerMs: config.sinkLingerMs,
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
  readonly sinkBatchRecords: number;
  readonly sinkLingerMs: number;
  readonly clickhouseUrl: string;
  readonly clickhouseRetentionDays: number;
};
