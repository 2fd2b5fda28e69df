import type { SinksSettings } from "./settings.ts";

const dayMs = 86_400_000;

/** Settings of sinks for tests: everything is kept for long, nothing is archived. */
export function sinksSettings(settings: Partial<SinksSettings> = {}): SinksSettings {
  return {
    telemetryRetentionMs: 30 * dayMs,
    minuteRetentionMs: 400 * dayMs,
    hourRetentionMs: 3_650 * dayMs,
    qualityRetentionMs: 400 * dayMs,
    eventRetentionMs: 30 * dayMs,
    timeSeries: "postgres",
    compressAfterMs: 7 * dayMs,
    archive: null,
    clickhouseUrl: "",
    clickhouseRetentionMs: null,
    batchRecords: 5_000,
    lingerMs: 200,
    ...settings,
  };
}

/** Nothing is ever past. */
export const forever = {
  retention: async () => ({
    keepMs: 3_650 * dayMs,
    keepMsOf: new Map(),
    keepAggregatesMs: { minute: 3_650 * dayMs, hour: 3_650 * dayMs },
  }),
};
