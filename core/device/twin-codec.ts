/**
 * A twin as text, for checkpoints, and back: `decodeTwin(encodeTwin(twin))` equals `twin` (−0 comes back as 0).
 * Written as JSON, whose escapes carry NUL and lone surrogates. What is as in a new twin is left out: most twins have no
 * shadows and no commands. So a field that a later release adds has its default in what an earlier one stored.
 */
import { type DedupWindowJson, emptyWindow, windowFromJson, windowToJson } from "./dedup-window.ts";
import { type MetricsJson, metricNames, metricsFromJson, metricsToJson } from "./metrics.ts";
import { compact } from "./registration.ts";
import { newTwin, type Twin } from "./twin.ts";

type StoredTwin = Pick<Twin, "id" | "revision" | "registration" | "presence" | "lastSeenMs"> & {
  readonly shadows: Twin["shadows"] | undefined;
  readonly commands: Twin["commands"] | undefined;
  readonly commandSession: string | undefined;
  readonly dedup: DedupWindowJson | undefined;
  readonly metrics: MetricsJson | undefined;
};

export function encodeTwin(twin: Twin): string {
  const { shadows, commands, commandSession, dedup, metrics, lastSeenMs, ...rest } = twin;
  const whole: StoredTwin = {
    ...rest,
    lastSeenMs,
    shadows: isEmpty(shadows) ? undefined : shadows,
    commands: commands.open.length + commands.ended.length === 0 ? undefined : commands,
    commandSession: commandSession === "" ? undefined : commandSession,
    dedup: dedup === emptyWindow ? undefined : windowToJson(dedup),
    metrics: metricNames(metrics).length === 0 ? undefined : metricsToJson(metrics, lastSeenMs),
  };
  return JSON.stringify(whole);
}

/** The twin of a text that `encodeTwin` made. Throws `SyntaxError` on other text. */
export function decodeTwin(text: string): Twin {
  const { dedup, metrics, ...rest } = JSON.parse(text) as {
    [field in keyof StoredTwin]: NonNullable<StoredTwin[field]>;
  };
  const fresh = newTwin(rest.id);
  return {
    ...fresh,
    ...rest,
    registration: rest.registration === null ? null : compact(rest.registration),
    dedup: dedup === undefined ? fresh.dedup : windowFromJson(dedup),
    metrics: metrics === undefined ? fresh.metrics : metricsFromJson(metrics, rest.lastSeenMs),
  };
}

function isEmpty(object: object): boolean {
  for (const _ in object) return false;
  return true;
}
