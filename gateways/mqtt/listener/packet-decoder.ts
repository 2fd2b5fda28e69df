import { type IConnectPacket, type Packet, type Parser, parser } from "mqtt-packet";

/** What was wrong: the words by which violations are counted. */
export type DecodingProblem = "malformed packet" | "bad utf-8" | "unsupported protocol version" | "protocol error";

export type Decoding<P> =
  | { readonly kind: "packet"; readonly packet: P }
  | { readonly kind: "problem"; readonly problem: DecodingProblem; readonly detail: string };

/** Decodes a whole CONNECT packet. */
export function decodeConnect(bytes: Buffer): Decoding<IConnectPacket> {
  // Its own parser: mqtt-packet keeps the CONNECT, password and all, as the settings of the parser that read it.
  const decoded = decode(parser(), bytes);
  if (decoded.kind === "problem") return decoded;
  if (decoded.packet.cmd !== "connect") {
    return { kind: "problem", problem: "protocol error", detail: `${decoded.packet.cmd} before CONNECT` };
  }
  return { kind: "packet", packet: decoded.packet };
}

/** Decodes any whole packet after the CONNECT. */
export function decodePacket(bytes: Buffer, protocolVersion: 3 | 4 | 5): Decoding<Packet> {
  const shared = parsers.get(protocolVersion) ?? parser({ protocolVersion });
  // A parser is asked for one whole packet at a time, so all connections share one; it is kept only if it ended clean.
  parsers.delete(protocolVersion);
  const decoded = decode(shared, bytes);
  if (decoded.kind === "packet") parsers.set(protocolVersion, shared);
  return decoded;
}

const parsers = new Map<3 | 4 | 5, Parser>();

function decode(through: Parser, bytes: Buffer): Decoding<Packet> {
  let packet: Packet | null = null;
  let error: unknown = null;
  through.removeAllListeners();
  through.on("packet", (parsed) => {
    packet = parsed;
  });
  through.on("error", (problem) => {
    error ??= problem;
  });
  try {
    if (through.parse(bytes) > 0) error ??= new Error("more bytes than the packet has");
  } catch (thrown) {
    error ??= thrown; // mqtt-packet reads past the end of some malformed packets
  }
  if (error !== null) return malformed(error);
  if (packet === null) return malformed("incomplete");
  return checked(packet, bytes);
}

function malformed(error: unknown): Decoding<never> {
  const detail = error instanceof Error ? error.message : String(error);
  const problem = detail === "Invalid protocol version" ? "unsupported protocol version" : "malformed packet";
  return { kind: "problem", problem, detail };
}

/** What mqtt-packet lets through: missing packet ids, repeated or cut off properties, strings that are not UTF-8. */
function checked(packet: Packet, bytes: Buffer): Decoding<Packet> {
  const problem = (what: DecodingProblem, detail: string): Decoding<Packet> => ({
    kind: "problem",
    problem: what,
    detail,
  });
  const id = packet.messageId;
  if (id !== undefined && !(id >= 1 && id <= 0xffff)) return problem("malformed packet", `packet id ${id}`);
  if ((packet.cmd === "pingreq" || packet.cmd === "pingresp") && bytes.length !== 2) {
    return problem("malformed packet", "a ping with content");
  }
  const texts = stringsOf(packet);
  const properties = "properties" in packet ? packet.properties : undefined;
  const willProperties = packet.cmd === "connect" ? packet.will?.properties : undefined;
  for (const given of [properties, willProperties]) {
    if (given === undefined) continue;
    for (const [name, value] of Object.entries(given)) {
      if (name === "userProperties") {
        for (const [key, values] of Object.entries(value as Record<string, string | string[]>)) {
          texts.push(key, ...[values].flat());
        }
      } else if (Array.isArray(value)) return problem("protocol error", `${name} given twice`);
      else if (value === null || value === undefined || value === -1 || value === false) {
        if (value !== false || name === "subscriptionIdentifier") return problem("malformed packet", `${name} cut off`);
      } else if (typeof value === "string") texts.push(value);
    }
  }
  for (const text of texts) {
    if (typeof text !== "string") return problem("malformed packet", "a string cut off");
    if (text.includes("\0")) return problem("bad utf-8", "a null character"); // [MQTT-1.5.3-2]
    if (text.includes("\uFFFD") && !bytes.includes(prefixed(text))) return problem("bad utf-8", "not UTF-8");
  }
  return { kind: "packet", packet };
}

function stringsOf(packet: Packet): string[] {
  switch (packet.cmd) {
    case "connect":
      return [packet.clientId, ...optional(packet.username), ...optional(packet.will?.topic)];
    case "publish":
      return [packet.topic];
    case "subscribe":
      return packet.subscriptions.map((subscription) => subscription.topic);
    case "unsubscribe":
      return [...packet.unsubscriptions];
    default:
      return [];
  }
}

function optional(text: string | undefined): string[] {
  return text === undefined ? [] : [text];
}

/** As it stood on the wire, if it was UTF-8: a replacement character that was decoded from bad bytes is not there. */
function prefixed(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length & 0xffff);
  return Buffer.concat([length, bytes]);
}
