import { deadLetter } from "./dead-letter.ts";
import { policyFor } from "./deadlines.ts";
import { sawBefore } from "./dedup-window.ts";
import type { TwinContext, TwinInput } from "./inputs.ts";
import { maxMetrics, metricNames } from "./metrics.ts";
import { maxReadings, parseTelemetry, type Readings, type Refusal, type TelemetryMessage } from "./telemetry.ts";
import type { Turn, TurnOutcome } from "./turn.ts";

/** A telemetry payload: each message of it is accepted, known already, or a dead letter, whatever its neighbours are. */
export function telemetryTurn(
  turn: Turn,
  input: Extract<TwinInput, { kind: "telemetry" }>,
  context: TwinContext,
): TurnOutcome {
  const atMs = context.nowMs;
  const { maxClockAheadMs } = policyFor(turn.twin, context);
  let accepted = 0;
  let duplicates = 0;
  let refused = 0;
  const refuse = ({ reason, detail }: Refusal, text: string | null) => {
    const payload = text === null ? input.payload : new TextEncoder().encode(text);
    turn.record(deadLetter({ topic: input.topic, payload, reason, detail }, atMs));
    refused += 1;
  };
  for (const parsed of parseTelemetry(input.payload, input.receivedAtMs ?? atMs, maxClockAheadMs)) {
    if (parsed.kind === "refused") {
      refuse(parsed.refusal, parsed.text);
      continue;
    }
    const { message } = parsed;
    if (sawBefore(turn.twin.dedup, message.identity)) {
      duplicates += 1;
      continue;
    }
    if (tooManyMetrics(turn, message.readings)) {
      refuse(
        {
          reason: "too-many-metrics",
          detail: `The device has sent ${maxMetrics} different metrics, the most that a twin keeps. Use tags for what varies.`,
        },
        textOf(message),
      );
      continue;
    }
    turn.record({ kind: "telemetry", atMs, ...message });
    accepted += 1;
  }
  if (duplicates > 0) turn.record({ kind: "seen", atMs, why: "duplicate" });
  return turn.reply({ kind: "counted", accepted, duplicates, refused });
}

function tooManyMetrics(turn: Turn, readings: Readings): boolean {
  const names = metricNames(turn.twin.metrics);
  if (names.length + maxReadings <= maxMetrics) return false;
  return new Set([...names, ...Object.keys(readings)]).size > maxMetrics;
}

function textOf(message: TelemetryMessage): string {
  const { tsMs, readings, tags } = message;
  return JSON.stringify({ ts: tsMs, readings, tags });
}
