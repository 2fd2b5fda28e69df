/**
 * Sends a dead letter again, through the device's twin, once: a claim before, the outcome after.
 *
 * Y1 Whoever does not get the claim sends nothing.
 * Y2 What is sent is stored with the claim, each message with an identity by which the twin knows it again. A try that
 *    ended without a word is finished by sending just that, less what has arrived: the twin says so, or history.
 * Y3 A claim is given back only where there was certainly no effect.
 */
import { createHash } from "node:crypto";
import { emptyWindow } from "../core/device/dedup-window.ts";
import type { Reply, TwinInput } from "../core/device/inputs.ts";
import { earlierMessages, namedAgain, partOf } from "../core/device/resend.ts";
import type { TelemetryMessage } from "../core/device/telemetry.ts";
import { routeOf } from "../core/wire/topics.ts";
import type { DeadLetterEvent } from "../ports/fleet-index/port.ts";
import type { Resend, ResendOutcome } from "../ports/resends/port.ts";
import { letterIdOf, payloadOf } from "./dead-letter-id.ts";
import type { ApiParts } from "./parts.ts";

export type ResendRequest = {
  /** In words: who asks. */
  readonly by: string;
  /** Instead of the letter's own; null: as it is. */
  readonly payload: Uint8Array | null;
  /** Let in what quality rules would put in quarantine, with flags. */
  readonly override: boolean;
};

export type ResendAnswer =
  | { readonly kind: "sent"; readonly outcome: ResendOutcome; readonly tries: number; readonly askedAtMs: number }
  /** Somebody else sends it or has sent it; or an earlier try had another payload, and may have had its effect. */
  | { readonly kind: "taken"; readonly resend: Resend }
  /** What comes on its topic cannot be sent again. */
  | { readonly kind: "unsendable"; readonly detail: string }
  | { readonly kind: "unknownDevice" }
  /** It may have been sent. The same request finishes it, once `abandonedMs` are over. */
  | { readonly kind: "unclear"; readonly cause: unknown };

/** After this time a try that told nothing of its end counts as dead: requests end long before. */
export const abandonedMs = 60_000;

export async function sendAgain(
  parts: ApiParts,
  letter: DeadLetterEvent,
  request: ResendRequest,
): Promise<ResendAnswer> {
  const detail = whyUnsendable(letter.record.topic, letter.device);
  if (detail !== null) return { kind: "unsendable", detail };
  const { resends, now, newId } = parts;
  const id = letterIdOf(letter);
  const token = newId();
  const atMs = now();
  const given = request.payload ?? payloadOf(letter.record);
  const claim = {
    ...{ letter: id, device: letter.device, by: request.by, token, atMs, correction: digestOf(request) },
    override: request.override,
    payload: isTelemetry(letter) ? namedAgain(given, id, await windowOf(parts, letter.device)) : given,
  };
  const answer = await resends.claim(claim, atMs - abandonedMs);
  if (answer.kind === "taken") return answer;
  try {
    const reply =
      answer.kind === "claimed"
        ? await ask(parts, letter, claim.payload, request.override)
        : await finish(parts, letter, answer.resend);
    const outcome = outcomeOf(reply);
    if (outcome === null) {
      // Y3: the first try, at least, may have been before the device was deleted; it cannot have been after.
      if (answer.kind === "claimed") await resends.release(id, token);
      return { kind: "unknownDevice" };
    }
    await resends.settle(id, token, { atMs: now(), outcome });
    return { kind: "sent", outcome, tries: answer.kind === "claimed" ? 1 : answer.resend.tries, askedAtMs: atMs };
  } catch (cause) {
    return { kind: "unclear", cause };
  }
}

/** Why what came on the topic cannot be sent again; null: it can. */
export function whyUnsendable(topic: string, device: string): string | null {
  const route = routeOf(topic);
  const own = route.kind !== "free" && route.device === device;
  if (own && (route.kind === "telemetry" || route.kind === "commandAck")) return null;
  const can = "Only telemetry and acknowledgements of commands can be sent again";
  if (route.kind === "shadow")
    return `${can}: it came on ${topic}, and what a shadow is told holds for its moment. Update the shadow itself.`;
  if (!own) return `${can}: it came on ${topic}, which is not the device's to publish to. Send it to the right topic.`;
  return `${can}: it came on ${topic}, which says something about the moment it was sent in.`;
}

function isTelemetry({ record }: DeadLetterEvent): boolean {
  return routeOf(record.topic).kind === "telemetry";
}

function ask(parts: ApiParts, letter: DeadLetterEvent, payload: Uint8Array, override: boolean): Promise<Reply> {
  const { topic, atMs } = letter.record;
  const route = routeOf(topic);
  const input: TwinInput =
    route.kind === "commandAck"
      ? { kind: "commandAck", command: route.command, topic, payload, session: null }
      : { kind: "telemetry", topic, payload, session: null, receivedAtMs: atMs, again: { override } };
  return parts.host.ask(letter.device, input);
}

/** Y2 */
async function finish(
  parts: ApiParts,
  letter: DeadLetterEvent,
  { payload, override }: Pick<Resend, "override"> & { readonly payload: Uint8Array },
): Promise<Reply> {
  // A command's state knows what it was told.
  if (!isTelemetry(letter)) return ask(parts, letter, payload, override);
  const window = await windowOf(parts, letter.device);
  const earlier = earlierMessages(payload, letter.record.atMs, window);
  const arrived = await Promise.all(
    earlier.map(
      async (each) => each.kind === "arrived" || (each.kind === "unsure" && isInHistory(parts, letter, each.message)),
    ),
  );
  const duplicates = arrived.filter(Boolean).length;
  const rest = duplicates === 0 ? payload : partOf(payload, (index) => arrived[index] !== true);
  if (rest === null) return { kind: "counted", accepted: 0, duplicates, refused: 0 };
  const reply = await ask(parts, letter, namedAgain(rest, letterIdOf(letter), window), override);
  return reply.kind === "counted" ? { ...reply, duplicates: reply.duplicates + duplicates } : reply;
}

/** Whether the device's history has all readings of the message, at its time and with its values. */
async function isInHistory(
  { series }: ApiParts,
  { device }: DeadLetterEvent,
  { tsMs, readings }: TelemetryMessage,
): Promise<boolean> {
  for (const [metric, value] of Object.entries(readings)) {
    const found = await series.readings({ device, metric, fromMs: tsMs, toMs: tsMs + 1 }, 100);
    if (!found.some((reading) => reading.value === value)) return false;
  }
  return true;
}

async function windowOf({ host }: ApiParts, device: string) {
  const reply = await host.ask(device, { kind: "read" });
  return reply.kind === "twin" ? reply.twin.dedup : emptyWindow;
}

/** Null: no twin heard of it. */
function outcomeOf(reply: Reply): ResendOutcome | null {
  switch (reply.kind) {
    case "counted":
      return { kind: "counted", accepted: reply.accepted, duplicates: reply.duplicates, refused: reply.refused };
    case "refused":
      return { kind: "refused", detail: reply.detail };
    case "unknownDevice":
      return null;
    default:
      return { kind: "taken" };
  }
}

/** "" where nothing differs from the letter. */
function digestOf({ payload, override }: ResendRequest): string {
  if (payload === null && !override) return "";
  const hash = createHash("sha256").update(override ? "override" : "as it is");
  return hash.update(payload ?? "").digest("hex");
}
