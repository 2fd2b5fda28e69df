/**
 * Which session of a device a message belongs to that came through a broker in front of us (EMQX): the broker names the
 * device by the topic, but not the connection, and its word on connections comes by another way, earlier or later.
 *
 * B1 A message speaks for the live session. A late one of an older session does no harm there: the device is there.
 * B2 A message that was overtaken by the end of its own connection brings nobody back. After `overtakenMs` it is not that
 *    any more, and a device that talks is there, whatever the broker said.
 * B3 A word "offline" may be a last will, and nobody can tell: it makes the device suspect, as a will does. Within
 *    `overtakenMs` of a new connection it is the old one's.
 * B4 Apps use the shadow's topics too: only what is reported is the device's own voice.
 */
import type { TwinInput } from "./inputs.ts";
import { liveSession } from "./presence.ts";
import type { Twin } from "./twin.ts";

/** Stands for the session of an input that came through a broker, until its twin is at hand. No session is named so. */
export const brokerSession = "broker";

/** More than messages of one device overtake each other on their way through broker and gateways. */
export const overtakenMs = 1_500;

/** The session that a message through a broker speaks for; null for that of nobody in particular, as over HTTP. */
export function sessionOfBrokerMessage({ presence }: Twin, nowMs: number): string | null {
  const live = liveSession(presence);
  if (live !== null) return live.id; // B1
  if (presence.phase === "online" || presence.ended === null) return null;
  const endedAtMs = presence.phase === "suspect" ? presence.suspectSinceMs : presence.sinceMs;
  return nowMs - endedAtMs < overtakenMs ? presence.ended.id : null; // B2
}

/** The input as its twin is to take it; for hosts, before they decide. One that came another way is left as it is. */
export function throughBroker(twin: Twin, input: TwinInput, nowMs: number): TwinInput {
  if (!("session" in input) || input.session !== brokerSession) return input;
  const session = sessionOfBrokerMessage(twin, nowMs);
  switch (input.kind) {
    case "disconnected":
    case "listening": // without a live session there is nobody to send to
      return session === null ? input : { ...input, session };
    case "status":
      return input.status === "offline"
        ? { ...input, session: justConnected(twin, nowMs) ? brokerSession : session, will: true } // B3
        : { ...input, session };
    case "shadow":
      return { ...input, session, by: reports(input.request) ? "device" : "app" }; // B4
    default:
      return { ...input, session } as TwinInput; // of a kind whose session may be null
  }
}

function justConnected({ presence }: Twin, nowMs: number): boolean {
  const live = liveSession(presence);
  return live !== null && nowMs - live.connectedAtMs < overtakenMs;
}

function reports({ kind, payload }: Extract<TwinInput, { kind: "shadow" }>["request"]): boolean {
  return kind === "update" && new TextDecoder().decode(payload).includes('"reported"');
}
