/**
 * One MQTT 5 connection of ours to a broker, from CONNECT to its end: it subscribes, takes messages in, and acknowledges
 * each when its effect is durable. MQTT.js takes the next message only when the last is acknowledged, and so cannot.
 *
 * L1 PUBACK goes out when `done` was called, never before, in whatever order that is: MQTT 5.0 §4.6 would have them in
 *    order, but brokers match them by packet id alone, and one slow device must not hold up a thousand others.
 * L2 At most `receiveMaximum` messages are under way (MQTT 5.0 §4.9): the broker keeps the rest. Those of QoS 0, which it
 *    does not count, and those of a broker that counts badly (mosquitto 2.0) are left unread.
 * L3 An acknowledgement that comes after the end of the connection goes nowhere: the broker delivers the message again.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { generate, type IPublishPacket, type Packet } from "mqtt-packet";
import type { ClientTls } from "../../../ports/tls/client.ts";
import type { IncomingPublish, PublishProperties } from "../broker-port.ts";
import { decodePacket } from "../listener/packet-decoder.ts";
import { PacketReader } from "../listener/packet-reader.ts";
import { PublishDecoder } from "../listener/publish-decoder.ts";
import { topicProblem } from "../listener/topic-filter.ts";

export type LinkOptions = {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** Of `mqtts://`. */
  readonly tls?: ClientTls;
  readonly clientId: string;
  /** How long the broker keeps the session of a link that is gone; 0: not at all, others get its messages. */
  readonly sessionSeconds: number;
  readonly receiveMaximum: number;
  readonly maxPacketBytes: number;
  readonly keepAliveSeconds: number;
  /** Topic filters, subscribed at QoS 1. */
  readonly subscriptions: readonly string[];
  readonly now: () => number;
  /** `done` is to be called once for each message, whatever its QoS. */
  readonly onMessage: (message: IncomingPublish, done: () => void) => void;
  /** A message that nobody can read: acknowledged, since it would come again for ever. */
  readonly onUnreadable: (problem: string) => void;
};

/** The broker cannot be reached, has refused us, or has gone. The next attempt may succeed. */
export class BrokerLost extends Error {
  override readonly name = "BrokerLost";
  readonly code = "BROKER_LOST";
  readonly retry = "later";
}

type Phase = "connecting" | "subscribing" | "open" | "leaving" | "ended";

export class BrokerLink {
  /** Resolves when the broker has granted every subscription; rejects with `BrokerLost`. */
  readonly ready: Promise<void>;
  /** Resolves at the end, with what ended it; null if `disconnect` did. */
  readonly ended: Promise<BrokerLost | null>;
  readonly #options: LinkOptions;
  readonly #socket: Socket;
  readonly #reader: PacketReader;
  readonly #publishes = new PublishDecoder(5);
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<BrokerLost | null>();
  #phase: Phase = "connecting";
  #keepAliveMs: number;
  #taken = 0;
  #inFlight = 0;
  #acks: number[] = [];
  #held = false;
  #stopped = false;
  #pingedAtMs: number;
  #heardAtMs: number;
  #pongs: (() => void)[] = [];
  #idle: (() => void)[] = [];
  #unsubscribed: () => void = () => {};

  constructor(options: LinkOptions) {
    this.#options = options;
    this.ready = this.#ready.promise;
    this.ended = this.#ended.promise;
    this.ready.catch(() => {}); // `ended` says it too
    this.#keepAliveMs = options.keepAliveSeconds * 1000;
    this.#pingedAtMs = this.#heardAtMs = options.now();
    this.#reader = new PacketReader(
      options.maxPacketBytes,
      (data, start, body, end) => this.#packet(data, start, body, end),
      (problem) => this.#end(new BrokerLost(`The broker sent what is no MQTT: ${problem}.`)),
    );
    this.#socket = openSocket(options, () => this.#socket.write(connectPacket(options)));
    this.#socket.on("data", (chunk: Buffer) => {
      this.#heardAtMs = options.now();
      this.#reader.push(chunk);
    });
    this.#socket.on("error", (error) => this.#end(new BrokerLost(`${options.url}: ${error.message}.`)));
    this.#socket.on("close", () => this.#end(new BrokerLost(`${options.url} closed the connection.`)));
  }

  /** Messages whose effect is not durable yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get open(): boolean {
    return this.#phase === "open";
  }

  /** To be called about each second: pings, and ends a connection that is dead (MQTT 5.0 §3.1.2.10). */
  tick(): void {
    if (this.#phase === "ended") return;
    const nowMs = this.#options.now();
    // While held we do not read, and so cannot hear.
    if (this.#held) this.#heardAtMs = nowMs;
    const silentMs = nowMs - this.#heardAtMs;
    const patienceMs = this.#phase === "connecting" ? connectTimeoutMs : this.#keepAliveMs * 1.5;
    if (silentMs > patienceMs) {
      this.#end(new BrokerLost(`${this.#options.url} has not been heard of for ${Math.round(silentMs / 1000)} s.`));
    } else if (this.#phase !== "connecting" && nowMs - this.#pingedAtMs >= this.#keepAliveMs / 2) {
      this.#pingedAtMs = nowMs;
      this.#socket.write(pingreq);
    }
  }

  /** No more new messages: the broker gives them to others. Those that it has sent already still come. */
  async unsubscribe(): Promise<void> {
    if (this.#phase !== "open") return;
    this.#phase = "leaving";
    const answered = new Promise<void>((resolve) => {
      this.#unsubscribed = resolve;
    });
    const unsubscriptions = [...this.#options.subscriptions];
    this.#socket.write(generate({ cmd: "unsubscribe", messageId: 2, unsubscriptions }, { protocolVersion: 5 }));
    await Promise.race([answered, this.ended]);
  }

  /** Takes nothing more in: what comes from now on is left to the broker, which gets no acknowledgement of it. */
  stopTaking(): void {
    this.#stopped = true;
    this.#hold();
  }

  /** Until everything that the broker had for us is acknowledged (or, held, what we have taken in). */
  async drained(): Promise<void> {
    for (;;) {
      while (this.#inFlight > 0 && this.#phase !== "ended")
        await Promise.race([new Promise<void>((resolve) => this.#idle.push(resolve)), this.ended]);
      this.#flush();
      if (this.#stopped || (this.#phase !== "open" && this.#phase !== "leaving")) return;
      // What our acknowledgements set free is sent before the answer to a ping that follows them.
      const taken = this.#taken;
      const pong = new Promise<void>((resolve) => this.#pongs.push(resolve));
      this.#socket.write(pingreq);
      await Promise.race([pong, this.ended]);
      if (this.#taken === taken) return;
    }
  }

  /** Says goodbye. `keepSession`: the broker keeps what comes meanwhile, for `sessionSeconds`. */
  disconnect({ keepSession }: { keepSession: boolean }): void {
    if (this.#phase === "ended") return;
    this.#flush();
    if (this.#phase !== "connecting") {
      const properties = keepSession ? {} : { properties: { sessionExpiryInterval: 0 } };
      // MQTT 5.0 [MQTT-3.14.2-2]: a session that was to end with the connection stays so; then there is nothing to say.
      const ending = this.#options.sessionSeconds === 0 ? {} : properties;
      this.#socket.write(generate({ cmd: "disconnect", reasonCode: 0, ...ending }, { protocolVersion: 5 }));
    }
    this.#end(null);
  }

  #packet(data: Buffer, start: number, body: number, end: number): void {
    if (this.#phase === "ended") return;
    if (data[start]! >> 4 === 3) {
      this.#published(data, start, body, end);
      return;
    }
    const decoded = decodePacket(data.subarray(start, end), 5);
    if (decoded.kind === "problem") this.#end(new BrokerLost(`The broker sent what is no MQTT: ${decoded.detail}.`));
    else this.#answered(decoded.packet);
  }

  #answered(packet: Packet): void {
    switch (packet.cmd) {
      case "connack":
        if (packet.reasonCode !== 0) this.#refused("the connection", packet.reasonCode ?? 0x80);
        else this.#connected(packet.properties?.serverKeepAlive);
        return;
      case "suback": {
        const bad = packet.granted.findIndex((code) => (code as number) >= 0x80);
        if (bad >= 0)
          this.#refused(`the subscription ${this.#options.subscriptions[bad]}`, packet.granted[bad] as number);
        else if (this.#phase === "subscribing") {
          this.#phase = "open";
          this.#ready.resolve();
        }
        return;
      }
      case "unsuback":
        this.#unsubscribed();
        return;
      case "pingresp":
        for (const pong of this.#pongs.splice(0)) pong();
        return;
      case "disconnect":
        this.#end(new BrokerLost(`${this.#options.url} ended the connection: ${reasonText(packet.reasonCode ?? 0)}.`));
        return;
      default:
        this.#end(new BrokerLost(`The broker sent ${packet.cmd}, which no subscriber is sent.`));
    }
  }

  #connected(serverKeepAlive: number | undefined): void {
    if (serverKeepAlive !== undefined) this.#keepAliveMs = serverKeepAlive * 1000; // [MQTT-3.1.2-21]
    this.#phase = "subscribing";
    const subscriptions = this.#options.subscriptions.map((topic) => ({ topic, qos: 1 as const, rh: 2 }));
    this.#socket.write(generate({ cmd: "subscribe", messageId: 1, subscriptions }, { protocolVersion: 5 }));
  }

  #refused(what: string, code: number): void {
    this.#end(
      new BrokerLost(`${this.#options.url} refuses ${what} to ${this.#options.clientId}: ${reasonText(code)}.`),
    );
  }

  #published(data: Buffer, start: number, body: number, end: number): void {
    const redelivered = (data[start]! & 8) !== 0;
    const plain = this.#publishes.decode(data, start, body, end);
    if (typeof plain === "object") {
      const { topic, payload, qos, retain, packetId } = plain;
      this.#take({ topic, payload, qos, retain, will: false, redelivered }, packetId);
      return;
    }
    const packetId = packetIdOf(data, start, body, end);
    if (plain === "malformed packet" || packetId === null) {
      this.#end(new BrokerLost("The broker sent a malformed PUBLISH."));
      return;
    }
    const decoded = plain === "slow" ? decodePacket(data.subarray(start, end), 5) : null;
    const packet = decoded?.kind === "packet" && decoded.packet.cmd === "publish" ? decoded.packet : null;
    const problem =
      packet === null ? (decoded?.kind === "problem" ? decoded.problem : plain) : topicProblem(packet.topic);
    if (packet === null || problem !== null) {
      this.#options.onUnreadable(problem ?? plain);
      if (packetId > 0) this.#acknowledge(packetId);
      return;
    }
    this.#take(readPublish(packet, redelivered), packetId);
  }

  #take(message: IncomingPublish, packetId: number): void {
    this.#taken++;
    this.#inFlight++;
    if (this.#inFlight >= this.#options.receiveMaximum) this.#hold(); // L2
    let undecided = true;
    this.#options.onMessage(message, () => {
      if (!undecided) return;
      undecided = false;
      this.#inFlight--;
      if (packetId > 0) this.#acknowledge(packetId);
      if (this.#held && !this.#stopped && this.#inFlight < this.#options.receiveMaximum) this.#release();
      if (this.#inFlight === 0) for (const idle of this.#idle.splice(0)) idle();
    });
  }

  #hold(): void {
    this.#held = true;
    this.#reader.hold();
    this.#socket.pause();
  }

  #release(): void {
    this.#held = false;
    this.#heardAtMs = this.#options.now();
    this.#reader.release();
    if (!this.#held) this.#socket.resume();
  }

  /** Those of one turn of the event loop leave in one write. */
  #acknowledge(packetId: number): void {
    if (this.#phase === "ended") return; // L3
    if (this.#acks.push(packetId) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    if (this.#acks.length === 0 || this.#phase === "ended") return;
    const bytes = Buffer.allocUnsafe(this.#acks.length * 4);
    let at = 0;
    for (const packetId of this.#acks) at = bytes.writeUInt32BE(0x40020000 + packetId, at); // PUBACK, MQTT 5.0 §3.4
    this.#acks = [];
    this.#socket.write(bytes);
  }

  #end(why: BrokerLost | null): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#reader.end();
    if (why === null) {
      this.#socket.end();
      this.#socket.resume(); // to see the broker's end
      setTimeout(() => this.#socket.destroy(), lingerMs).unref();
    } else {
      this.#socket.destroy();
    }
    this.#ready.reject(why ?? new BrokerLost("The link was ended before it was open."));
    this.#ended.resolve(why);
  }
}

/** How long a broker has to answer the CONNECT, and to take our goodbye. */
const connectTimeoutMs = 10_000;
const lingerMs = 2_000;
const pingreq = Buffer.from([0xc0, 0]);

function openSocket({ url, tls }: Pick<LinkOptions, "url" | "tls">, opened: () => void): Socket {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const secure = protocol === "mqtts:" || protocol === "ssl:" || protocol === "tls:";
  const to = { host, port: Number(port || (secure ? 8883 : 1883)) };
  const socket = secure
    ? connectTls({ ...tls, ...to, servername: isIP(host) ? "" : host }, opened)
    : connectTcp(to, opened);
  return socket.setNoDelay(true);
}

function connectPacket({ clientId, username, password, sessionSeconds, ...limits }: LinkOptions): Buffer {
  const credentials = username === "" ? {} : { username, password: Buffer.from(password) };
  return generate(
    {
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 5,
      clean: sessionSeconds === 0,
      clientId,
      keepalive: limits.keepAliveSeconds,
      ...credentials,
      properties: {
        sessionExpiryInterval: sessionSeconds,
        receiveMaximum: limits.receiveMaximum,
        maximumPacketSize: limits.maxPacketBytes,
      },
    },
    { protocolVersion: 5 },
  );
}

/** 0 for QoS 0; null if the packet is cut off. */
function packetIdOf(data: Buffer, start: number, body: number, end: number): number | null {
  if ((data[start]! & 6) === 0) return 0;
  const at = body + 2 + ((data[body]! << 8) | data[body + 1]!);
  return at + 2 <= end ? data.readUInt16BE(at) : null;
}

function readPublish(
  { topic, payload, qos, retain, properties }: IPublishPacket,
  redelivered: boolean,
): IncomingPublish {
  const message = { topic, payload: payload as Buffer, qos, retain, will: false, redelivered };
  return properties === undefined ? message : { ...message, properties: properties as PublishProperties };
}

/** MQTT 5.0 §2.4. */
function reasonText(code: number): string {
  const words: Record<number, string> = {
    134: "bad user name or password",
    135: "not authorized",
    136: "server unavailable",
    138: "banned",
    139: "server shutting down",
    141: "keep-alive time-out",
    142: "session taken over: another client has our client id",
    147: "receive maximum exceeded",
    149: "packet too large",
    151: "quota exceeded",
    152: "administrative action",
    158: "shared subscriptions not supported",
  };
  return `${words[code] ?? "reason code"} (${code})`;
}
