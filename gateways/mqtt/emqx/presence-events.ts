/**
 * What a broker in front of us tells of its clients, on `presence/{clientid}`: the bodies that EMQX's rules republish
 * (deploy/emqx/emqx.conf), as inputs of twins. Pure.
 *
 * E1 A session is one connection of one client: `{clientid}@{connected_at}`.
 * E2 A connection that another one of its client has taken over tells nothing: the other one has told already, or will.
 */
import { brokerSession } from "../../../core/device/broker-session.ts";
import type { Listening, TwinInput } from "../../../core/device/inputs.ts";
import { everyShadow } from "../../../core/device/shadow.ts";
import { listeningShadow } from "../../../core/wire/shadow-wire.ts";
import { matchesCommands } from "../../../core/wire/topics.ts";
import { claimedPrincipal } from "../client-device.ts";

export type PresenceEvent =
  | { readonly kind: "device"; readonly device: string; readonly inputs: readonly TwinInput[] }
  /** Of an app, of ourselves, or of no meaning for twins. */
  | { readonly kind: "nothing" }
  /** `problem` in words: this is not what our rules republish. */
  | { readonly kind: "malformed"; readonly problem: string };

/** The client ids of Doppel's own processes begin with it; nobody else may have one (gateways/http/emqx-authn.ts). */
export const ownClientPrefix = "doppel-";

export function presenceEvent(payload: Uint8Array): PresenceEvent {
  const body = parsed(payload);
  if (body === null) return malformed("no JSON object");
  const clientId = body.clientid;
  if (typeof clientId !== "string" || clientId === "") return malformed("no clientid");
  if (clientId.startsWith(ownClientPrefix)) return nothing;
  const claimed = claimedPrincipal(given(body.username), clientId);
  if (claimed.kind !== "device") return nothing;
  const { device } = claimed;
  switch (body.event) {
    case "client.connected": {
      const connectedAtMs = epochMs(body.connected_at);
      if (connectedAtMs === null) return malformed("connected_at is no time in ms");
      const session = { id: sessionId(clientId, connectedAtMs), connectedAtMs, node: given(body.node) ?? "" };
      const resumed = resumedListening(body, connectedAtMs);
      return { kind: "device", device, inputs: [{ kind: "connected", session }, ...resumed] };
    }
    case "client.disconnected": {
      const connectedAtMs = epochMs(body.connected_at);
      if (connectedAtMs === null) return malformed("connected_at is no time in ms");
      const reason = given(body.reason) ?? "unknown";
      if (reason === "takenover" || reason === "discarded") return nothing; // E2
      const session = sessionId(clientId, connectedAtMs);
      const graceful = reason === "normal";
      const input: TwinInput = { kind: "disconnected", session, graceful, reason: reasonWords[reason] ?? reason };
      return { kind: "device", device, inputs: [input] };
    }
    case "session.subscribed": {
      if (typeof body.topic !== "string") return malformed("no topic");
      const inputs = listeningInputs(body.topic, device, epochMs(body.timestamp));
      return inputs.length === 0 ? nothing : { kind: "device", device, inputs };
    }
    default:
      return malformed(`the event "${String(body.event).slice(0, 50)}" is none of ours`);
  }
}

/** E1; also for `GET /api/v5/clients`. */
export function sessionId(clientId: string, connectedAtMs: number): string {
  return `${clientId}@${connectedAtMs}`;
}

/** A text that is there: where a client has none, EMQX writes null, "" or "undefined". */
export function given(value: unknown): string | null {
  return typeof value === "string" && value !== "" && value !== "undefined" ? value : null;
}

/**
 * A session that the client has resumed keeps its subscriptions, and EMQX has no event for that. So a client that may
 * have resumed is taken to listen: if it does not, what is sent reaches nobody, and goes out again when it subscribes.
 */
function resumedListening(body: Record<string, unknown>, connectedAtMs: number): TwinInput[] {
  const { clean_start: cleanStart, expiry_interval: expiry } = body;
  if (cleanStart !== false || typeof expiry !== "number" || expiry <= 0) return [];
  return [
    listening({ channel: "commands" }, connectedAtMs),
    listening({ channel: "shadowDelta", shadow: everyShadow }, connectedAtMs),
  ];
}

function listeningInputs(filter: string, device: string, saidAtMs: number | null): TwinInput[] {
  const inputs: TwinInput[] = [];
  if (matchesCommands(filter, device)) inputs.push(listening({ channel: "commands" }, saidAtMs));
  const shadow = listeningShadow(filter, device);
  if (shadow !== null) inputs.push(listening({ channel: "shadowDelta", shadow }, saidAtMs));
  return inputs;
}

function listening(to: Listening, saidAtMs: number | null): TwinInput {
  return { kind: "listening", session: brokerSession, to, ...(saidAtMs === null ? {} : { saidAtMs }) };
}

/** EMQX 5.8's reasons in the words that our own listener uses; others are passed on as they are. */
const reasonWords: Readonly<Record<string, string>> = {
  normal: "client disconnected",
  tcp_closed: "socket closed",
  tcp_error: "socket closed",
  keepalive_timeout: "keep-alive elapsed",
  kicked: "disconnected by an administrator",
};

const nothing: PresenceEvent = { kind: "nothing" };

function malformed(problem: string): PresenceEvent {
  return { kind: "malformed", problem };
}

function parsed(payload: Uint8Array): Record<string, unknown> | null {
  try {
    const body: unknown = JSON.parse(new TextDecoder().decode(payload));
    return typeof body === "object" && body !== null && !Array.isArray(body) ? (body as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function epochMs(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : null;
}
