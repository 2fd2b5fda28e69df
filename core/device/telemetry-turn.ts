import { defaultRules } from "../quality/compiled-rules.ts";
import { judge } from "../quality/judge.ts";
import { deadLetter } from "./dead-letter.ts";
import { policyFor } from "./deadlines.ts";
import { sawBefore } from "./dedup-window.ts";
import type { TwinContext, TwinInput } from "./inputs.ts";
import { maxMetrics, metricNames } from "./metrics.ts";
import type { DeadLettered } from "./records.ts";
import { originOf } from "./registration.ts";
import { maxReadings, parseTelemetry, type Readings, type Refusal } from "./telemetry.ts";
import type { Turn, TurnOutcome } from "./turn.ts";

/** A telemetry payload: each message of it is accepted, known already, or a dead letter, whatever its neighbours are. */
export function telemetryTurn(
  turn: Turn,
  input: Extract<TwinInput, { kind: "telemetry" }>,
  context: TwinContext,
): TurnOutcome {
  const atMs = context.nowMs;
  const receivedAtMs = input.receivedAtMs ?? atMs;
  const { maxClockAheadMs } = policyFor(turn.twin, context);
  const { registration } = turn.twin;
  const origin = originOf(registration);
  const rules = context.rulesOf?.(registration?.type ?? "default") ?? defaultRules;
  let accepted = 0;
  let duplicates = 0;
  let refused = 0;
  const refuse = ({ reason, detail }: Refusal, text: string | null, broken?: DeadLettered["broken"]) => {
    const payload = text === null ? input.payload : new TextEncoder().encode(text);
    const letter = deadLetter({ topic: input.topic, payload, reason, detail }, atMs, registration);
    turn.record(broken === undefined ? letter : { ...letter, broken });
    refused += 1;
  };
  const parts = parseTelemetry(input.payload, receivedAtMs, maxClockAheadMs);
  for (const parsed of parts) {
    if (parsed.kind === "refused") {
      refuse(parsed.refusal, parsed.text);
      continue;
    }
    const { message } = parsed;
    if (sawBefore(turn.twin.dedup, message.identity)) {
      duplicates += 1;
      continue;
    }
    // The only message of a payload is kept as it came.
    const text = () => (parts.length === 1 ? null : JSON.stringify(parsed.body));
    if (tooManyMetrics(turn, message.readings)) {
      refuse(
        {
          reason: "too-many-metrics",
          detail: `The device has sent ${maxMetrics} different metrics, the most that a twin keeps. Use tags for what varies.`,
        },
        text(),
      );
      continue;
    }
    const verdict = judge(parsed, turn.twin, rules, receivedAtMs, input.again?.override);
    if (verdict.kind === "quarantine") {
      refuse({ reason: "quarantined", detail: verdict.detail }, text(), verdict.broken);
      continue;
    }
    const { flags, unchangedSince } = verdict;
    turn.record({
      kind: "telemetry",
      atMs,
      ...message,
      ...origin,
      ...(flags !== undefined && { flags }),
      ...(unchangedSince !== undefined && { unchangedSince }),
    });
    accepted += 1;
  }
  if (duplicates > 0)
    turn.record({ kind: "seen", atMs, why: "duplicate", ...(duplicates > 1 && { count: duplicates }), ...origin });
  return turn.reply({ kind: "counted", accepted, duplicates, refused });
}

function tooManyMetrics(turn: Turn, readings: Readings): boolean {
  const names = metricNames(turn.twin.metrics);
  if (names.length + maxReadings <= maxMetrics) return false;
  return new Set([...names, ...Object.keys(readings)]).size > maxMetrics;
}
