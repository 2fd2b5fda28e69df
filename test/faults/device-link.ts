/**
 * A device's MQTT 3.1.1 connection, on a bare socket so that it is known exactly what was acknowledged. It reconnects
 * until it is told to leave, and sends again what has no acknowledgement, in order, as a device with a buffer does.
 *
 * K1 A message counts as acknowledged on its PUBACK, PUBREC or (where `exactlyOnceFrom` says so) PUBCOMP, and on nothing
 *    else.
 * K2 A QoS 2 message that the server owns is never published again: only its PUBREL is. A broker that owns it for no
 *    longer than the session gets it again when there is a new session.
 */
import { connect, type Socket } from "node:net";
import { generate, type IPublishPacket, type Packet, parser } from "mqtt-packet";
import { type Random, seeded } from "../../simulator/random.ts";

export type Outgoing = {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 1 | 2;
  /** It goes out, for the first time or again. */
  readonly onSend: () => void;
  readonly onAcknowledged: () => void;
};

export type LinkOptions = {
  readonly port: number;
  readonly clientId: string;
  /** False: a persistent session, for a device that sleeps. */
  readonly clean: boolean;
  readonly filters: readonly string[];
  readonly onMessage: (topic: string, payload: Buffer) => void;
  /** What makes a QoS 2 message the server's for good: with a broker that hands it on when it is released, PUBCOMP. */
  readonly exactlyOnceFrom: "pubrec" | "pubcomp";
  readonly seed: number;
};

const answerLimitMs = 5_000;
const slowestRetryMs = 800;

export class DeviceLink {
  readonly #options: LinkOptions;
  readonly #random: Random;
  /** By packet id, in the order of sending. */
  readonly #unacknowledged = new Map<number, Outgoing>();
  readonly #releasing = new Map<number, Outgoing>();
  #packetId = 0;
  #socket: Socket | null = null;
  #ready = false;
  #wanted = false;
  #attempt = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#random = seeded(options.seed, `${options.clientId}/link`);
  }

  get ready(): boolean {
    return this.#ready;
  }

  get unacknowledged(): number {
    const unreleased = this.#options.exactlyOnceFrom === "pubcomp" ? this.#releasing.size : 0;
    return this.#unacknowledged.size + unreleased;
  }

  open(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#connect();
  }

  publish(message: Outgoing): void {
    do this.#packetId = (this.#packetId % 65_535) + 1;
    while (this.#unacknowledged.has(this.#packetId) || this.#releasing.has(this.#packetId));
    this.#unacknowledged.set(this.#packetId, message);
    if (this.#ready) this.#write(this.#packetId, message, false);
  }

  /** Goes away until `open`: with a DISCONNECT, or as a device that lost its power. */
  leave(gracefully: boolean): void {
    this.#wanted = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const socket = this.#socket;
    if (socket === null) return;
    if (gracefully && this.#ready) socket.end(generate({ cmd: "disconnect" }));
    else socket.destroy();
    this.#lost(socket);
  }

  #connect(): void {
    const { port, clientId, clean, filters } = this.#options;
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    this.#socket = socket;
    const limit = setTimeout(() => socket.destroy(), answerLimitMs);
    const packets = parser({ protocolVersion: 4 });
    packets.on("packet", (packet: Packet) => {
      if (socket !== this.#socket) return;
      if (packet.cmd === "connack") {
        clearTimeout(limit);
        if (packet.returnCode !== 0) return void socket.destroy();
        if (!packet.sessionPresent) this.#forgetReleases();
        const subscriptions = filters.map((topic) => ({ topic, qos: 1 as const }));
        socket.write(generate({ cmd: "subscribe", messageId: 65_535, subscriptions }));
        this.#attempt = 0;
        this.#ready = true;
        for (const [id, message] of this.#unacknowledged) this.#write(id, message, packet.sessionPresent === true);
        for (const id of this.#releasing.keys()) socket.write(generate({ cmd: "pubrel", messageId: id }));
      } else this.#take(socket, packet);
    });
    packets.on("error", () => socket.destroy());
    socket.on("connect", () => {
      socket.write(
        generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean, clientId, keepalive: 30 }),
      );
    });
    socket.on("data", (chunk) => packets.parse(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(limit);
      this.#lost(socket);
    });
  }

  #take(socket: Socket, packet: Packet): void {
    const id = packet.messageId ?? 0;
    switch (packet.cmd) {
      case "puback":
        this.#acknowledge(id);
        return;
      case "pubrec":
        this.#received(id);
        socket.write(generate({ cmd: "pubrel", messageId: id }));
        return;
      case "pubcomp":
        if (this.#options.exactlyOnceFrom === "pubcomp") this.#releasing.get(id)?.onAcknowledged();
        this.#releasing.delete(id);
        return;
      case "publish": {
        const { topic, payload, qos } = packet as IPublishPacket;
        if (qos === 1) socket.write(generate({ cmd: "puback", messageId: id }));
        this.#options.onMessage(topic, Buffer.from(payload));
        return;
      }
      default:
    }
  }

  /** K2 */
  #received(id: number): void {
    const message = this.#unacknowledged.get(id);
    if (message === undefined) return;
    if (this.#options.exactlyOnceFrom === "pubrec") this.#acknowledge(id);
    else this.#unacknowledged.delete(id);
    this.#releasing.set(id, message);
  }

  /** The server has no session of ours: it knows nothing of what was to be released. */
  #forgetReleases(): void {
    if (this.#options.exactlyOnceFrom === "pubcomp")
      for (const [id, message] of this.#releasing) this.#unacknowledged.set(id, message);
    this.#releasing.clear();
  }

  #acknowledge(id: number): void {
    const message = this.#unacknowledged.get(id);
    if (message === undefined) return;
    this.#unacknowledged.delete(id);
    message.onAcknowledged();
  }

  #write(messageId: number, { topic, payload, qos, onSend }: Outgoing, dup: boolean): void {
    onSend();
    this.#socket?.write(generate({ cmd: "publish", topic, payload, qos, messageId, dup, retain: false }));
  }

  #lost(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#ready = false;
    if (!this.#wanted) return;
    const longest = Math.min(slowestRetryMs, 50 * 2 ** this.#attempt);
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#connect(), longest * (0.5 + this.#random() / 2));
  }
}
