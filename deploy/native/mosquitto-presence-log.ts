/**
 * mosquitto's log as EMQX's presence events. No I/O: lines and times in, events out.
 *
 * The lines of mosquitto 2.0.11 (topics `$SYS/broker/log/N`, `…/E` and `…/M/subscribe`), seen in experiments:
 * - connected: `New client connected from 127.0.0.1:40666 as pump-1 (p2, c1, k60, u'alice').`; without a user
 *   `(p5, c0, k60).`. p1, p2, p5 are MQTT 3.1, 3.1.1, 5; c1 is a clean start; k the keep-alive in seconds.
 * - DISCONNECT, with a will or without: `Client pump-1 disconnected.`
 * - socket closed or reset by the device: `Client pump-1 closed its connection.`
 * - 1.5 × keep-alive of silence: `Client pump-1 has exceeded timeout, disconnecting.`
 * - takeover: `Client pump-1 already connected, closing old connection.` (E), then the new one's `New client connected`,
 *   and nothing more about the old one.
 * - refused by the ACL, after which it is cut: `Bad socket read/write on client pump-1: Unknown error.`
 * - malformed: `Client pump-1 disconnected due to malformed packet.`, also `protocol error`, `oversize packet`;
 *   with `Client <unknown> …` before CONNECT.
 * - kicked: `Client pump-1 been disconnected by administrative action.` (from the program; a plugin must do it)
 * - subscribed, also again: `pump-1 1 devices/pump-1/commands/#` (client, granted QoS, filter).
 */

/** EMQX 5.8's `$events/client_connected`, as its rule republishes it. Times in ms since 1970. */
export type ConnectedEvent = {
  event: "client.connected";
  clientid: string;
  username: string | null;
  peername: string;
  node: string;
  connected_at: number;
  timestamp: number;
  /** s */
  keepalive: number;
  /** 3, 4 or 5 */
  proto_ver: number;
  clean_start: boolean;
  /** s; mosquitto does not log it: 0 for a clean start, else EMQX's default */
  expiry_interval: number;
};

export type DisconnectedEvent = {
  event: "client.disconnected";
  clientid: string;
  username: string | null;
  reason: "normal" | "tcp_closed" | "tcp_error" | "keepalive_timeout" | "takenover" | "kicked" | "protocol_error";
  node: string;
  connected_at: number;
  disconnected_at: number;
  timestamp: number;
};

export type SubscribedEvent = {
  event: "session.subscribed";
  clientid: string;
  topic: string;
  qos: number;
  node: string;
  timestamp: number;
};

export type PresenceLogEvent = ConnectedEvent | DisconnectedEvent | SubscribedEvent;

/** The clients that are connected, by id, as far as their lines were seen. */
type ConnectedClients = ReadonlyMap<string, ConnectedEvent>;

const NODE = "mosquitto";
/** Our own processes; not devices. */
const OWN_PREFIX = "doppel-";
const SESSION_EXPIRY_S = 7_200;
const PROTO_VER: Readonly<Record<string, number>> = { "1": 3, "2": 4, "5": 5 };
const CONNECTED = /^New client connected from (.+) as (.*) \(p(\d), c([01]), k(\d+)(?:, u'(.*)')?\)\.$/s;
const ENDINGS: readonly (readonly [RegExp, DisconnectedEvent["reason"]])[] = [
  [/^Client (.*) already connected, closing old connection\.$/s, "takenover"],
  [/^Client (.*) closed its connection\.$/s, "tcp_closed"],
  [/^Client (.*) has exceeded timeout, disconnecting\.$/s, "keepalive_timeout"],
  [/^Client (.*) been disconnected by administrative action\.$/s, "kicked"],
  [/^Client (.*) disconnected due to .*\.$/s, "protocol_error"],
  [/^Bad socket read\/write on client (.*): .*$/s, "tcp_error"],
  [/^Client (.*) disconnected\.$/s, "normal"],
];

/** What one line says of a device; keeps `clients` up to date. `topic` is the one on which the line came. */
export function readLogLine(
  clients: Map<string, ConnectedEvent>,
  topic: string,
  line: string,
  nowMs: number,
): PresenceLogEvent | null {
  const event = topic.endsWith("/M/subscribe") ? subscribed(clients, line, nowMs) : moved(clients, line, nowMs);
  if (event === null || !isDevice(event.clientid)) return null;
  if (event.event === "client.connected") clients.set(event.clientid, event);
  // Taken over, it stays until the new connection's line, which follows, so that the two get different times.
  if (event.event === "client.disconnected" && event.reason !== "takenover") clients.delete(event.clientid);
  return event;
}

function moved(clients: ConnectedClients, line: string, nowMs: number): ConnectedEvent | DisconnectedEvent | null {
  const [, peername, clientid, protocol, clean, keepalive, username] = CONNECTED.exec(line) ?? [];
  if (peername !== undefined && clientid !== undefined) {
    return {
      event: "client.connected",
      clientid,
      username: username ?? null,
      peername,
      node: NODE,
      connected_at: laterThan(clients.get(clientid), nowMs),
      timestamp: nowMs,
      keepalive: Number(keepalive),
      proto_ver: PROTO_VER[protocol ?? ""] ?? 5,
      clean_start: clean === "1",
      expiry_interval: clean === "1" ? 0 : SESSION_EXPIRY_S,
    };
  }
  for (const [pattern, reason] of ENDINGS) {
    const id = pattern.exec(line)?.[1];
    const was = id === undefined ? undefined : clients.get(id);
    if (was === undefined) continue; // of a connection that was refused, or one that we never saw begin
    const { clientid: ended, username: user, connected_at } = was;
    const disconnected_at = Math.max(nowMs, connected_at);
    return {
      event: "client.disconnected",
      clientid: ended,
      username: user,
      reason,
      node: NODE,
      connected_at,
      disconnected_at,
      timestamp: nowMs,
    };
  }
  return null;
}

/** Two connections of one client never share their time, by which they are told apart. */
function laterThan(before: ConnectedEvent | undefined, nowMs: number): number {
  return before === undefined ? nowMs : Math.max(nowMs, before.connected_at + 1);
}

/** Client ids and filters may hold spaces and digits: a client that is known to be connected decides. */
function subscribed(clients: ConnectedClients, line: string, nowMs: number): SubscribedEvent | null {
  const readings = [...line.matchAll(/ ([012]) /g)].map((match) => ({
    clientid: line.slice(0, match.index),
    qos: Number(match[1]),
    topic: line.slice(match.index + match[0].length),
  }));
  const reading = readings.find(({ clientid }) => clients.has(clientid)) ?? readings[0];
  if (reading === undefined) return null;
  return { event: "session.subscribed", ...reading, node: NODE, timestamp: nowMs };
}

/** A wildcard cannot be part of the topic on which the event is told. */
function isDevice(clientid: string): boolean {
  return !clientid.startsWith(OWN_PREFIX) && !/[+#]/.test(clientid);
}
