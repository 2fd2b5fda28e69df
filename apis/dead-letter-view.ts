/** Dead letters as apps see them, and the words for what became of them. */
import { z } from "@hono/zod-openapi";
import type { DeadLetterEvent, DeadLetterFilter } from "../ports/fleet-index/port.ts";
import type { Resend, ResendOutcome } from "../ports/resends/port.ts";
import { letterIdOf } from "./dead-letter-id.ts";
import { whyUnsendable } from "./resend.ts";
import { DeviceId, iso, Moment, plainText, Timestamp } from "./route.ts";

export const aDeadLetter = {
  id: "MTc5NTI2MjQwMDAwMC80NzExL3B1bXAtNA",
  offset: 4711,
  device: "pump-4",
  kind: "deadLettered" as const,
  at: "2026-11-21T12:00:00.000Z",
  topic: "devices/pump-4/telemetry",
  reason: "quarantined",
  detail: "latitude is 152.52, above 90 (rule latitude).",
  payload: '{"ts":1795262400000,"seq":17,"readings":{"latitude":152.52}}',
  encoding: "utf8" as const,
  type: "pump",
  region: "eu-north",
  broken: [{ rule: "latitude", metric: "latitude" }],
  sendable: true,
  resend: null,
};

export const OutcomeView = z
  .union([
    z.object({ kind: z.literal("counted"), accepted: z.int(), duplicates: z.int(), refused: z.int() }),
    z.object({ kind: z.literal("taken") }),
    z.object({ kind: z.literal("refused"), detail: z.string() }),
  ])
  .openapi("ResendOutcome", {
    description:
      "`counted`: how many messages of telemetry were accepted, duplicates, refused. `taken`: an acknowledgement. `refused`: by the twin.",
    example: { kind: "counted", accepted: 1, duplicates: 0, refused: 0 },
  });

const ResendState = z
  .object({
    state: z.enum(["sending", "sent"]),
    by: z.string(),
    at: Timestamp,
    corrected: z.boolean().openapi({ description: "Sent with another payload, or with an override" }),
    tries: z.int(),
    outcome: OutcomeView.nullable(),
    detail: z.string(),
  })
  .nullable();

export const DeadLetter = z
  .object({
    id: z.string().openapi({ description: "Names it, always" }),
    offset: z.int(),
    device: z.string(),
    kind: z.literal("deadLettered"),
    at: Timestamp,
    topic: z.string(),
    reason: z.string().openapi({ description: "From a closed list; `quarantined`: by quality rules" }),
    detail: z.string(),
    payload: z.string().openapi({ description: "The whole message, in `encoding`" }),
    encoding: z.enum(["utf8", "base64"]),
    type: z.string(),
    region: z.string(),
    broken: z.array(z.object({ rule: z.string(), metric: z.string() })).openapi({
      description: "The quality rules that put it in quarantine; the metric is empty for the whole message",
    }),
    sendable: z.boolean().openapi({ description: "Whether what comes on its topic can be sent again" }),
    resend: ResendState.openapi({ description: "What became of it; null: nobody has asked to send it again" }),
  })
  .openapi("DeadLetter", { example: aDeadLetter });

/** Of a list, and of what to send again. */
export const letterFilter = {
  device: DeviceId.optional(),
  reason: plainText(64).min(1).optional().openapi({ example: "quarantined" }),
  rule: plainText(64).min(1).optional().openapi({ example: "latitude", description: "A quality rule that it broke" }),
  type: plainText(128).min(1).optional().openapi({ example: "pump" }),
  region: plainText(128).optional().openapi({ example: "eu-north" }),
  from: Moment.optional().openapi({ description: "When it reached us: inclusive" }),
  to: Moment.optional().openapi({ description: "Exclusive" }),
};

type LetterFilter = { [Name in keyof typeof letterFilter]?: z.infer<(typeof letterFilter)[Name]> };

export function filterOf({ device, reason, rule, type, region, from, to }: LetterFilter): DeadLetterFilter {
  return {
    ...(device !== undefined && { device }),
    ...(reason !== undefined && { reason }),
    ...(rule !== undefined && { rule }),
    ...(type !== undefined && { type }),
    ...(region !== undefined && { region }),
    ...(from !== undefined && { fromMs: from }),
    ...(to !== undefined && { toMs: to }),
  };
}

export function letterView(letter: DeadLetterEvent, resend: Resend | undefined): z.infer<typeof DeadLetter> {
  const { device, offset, record } = letter;
  const { kind, atMs, topic, reason, detail, payload, encoding, type = "default", region = "", broken = [] } = record;
  return {
    id: letterIdOf(letter),
    ...{ offset, device, kind, at: iso(atMs), topic, reason, detail, payload, encoding, type, region },
    broken: [...broken],
    sendable: whyUnsendable(topic, device) === null,
    resend: resend === undefined ? null : resendView(resend),
  };
}

export function resendView(resend: Resend): NonNullable<z.infer<typeof ResendState>> {
  const { settled, by, claimedAtMs, tries, correction } = resend;
  return {
    state: settled === null ? "sending" : "sent",
    by,
    at: iso(settled?.atMs ?? claimedAtMs),
    corrected: correction !== "",
    tries,
    outcome: settled === null ? null : { ...settled.outcome },
    detail: takenWords(resend),
  };
}

/** What came of it, as a sentence. */
export function wordsOf(outcome: ResendOutcome): string {
  switch (outcome.kind) {
    case "taken":
      return "The device's twin has taken it.";
    case "refused":
      return `The device's twin refused it, so that it is a new dead letter: ${outcome.detail}`;
    case "counted": {
      const { accepted, duplicates, refused } = outcome;
      const parts = [
        ...(accepted > 0 ? [`${messages(accepted)} accepted`] : []),
        ...(duplicates > 0 ? [`${messages(duplicates)} there already`] : []),
        ...(refused > 0
          ? [
              `${messages(refused)} refused again and ${refused === 1 ? "is a" : "are"} new dead letter${refused === 1 ? "" : "s"}`,
            ]
          : []),
      ];
      return `${parts.join("; ")}.`;
    }
  }
}

/** Why it is not sent once more. */
export function takenWords({ settled, by, claimedAtMs }: Resend): string {
  if (settled !== null) return `It was sent again at ${iso(settled.atMs)} by ${by}: ${wordsOf(settled.outcome)}`;
  return `It has been sent by ${by} since ${iso(claimedAtMs)}, and how that ended is not known. A minute after that, ask again with the same payload, or with none: that finishes it.`;
}

function messages(count: number): string {
  return count === 1 ? "1 message was" : `${count} messages were`;
}
