import type { Duplex } from "node:stream";
import { generate } from "mqtt-packet";
import type { MqttConnection, Principal } from "../broker-port.ts";
import { Client } from "./client.ts";
import { type ConnectRequest, connackAccepted, connackRefused, type Refusal, readConnect } from "./connect.ts";
import { KeepAlive } from "./keep-alive.ts";
import type { Listening } from "./listening.ts";
import { Outbox } from "./outbox.ts";
import { decodeConnect } from "./packet-decoder.ts";
import { PacketReader } from "./packet-reader.ts";

/** How a connection ends. `code` is sent to MQTT 5 clients as DISCONNECT, if not null. */
export type Ending = {
  readonly reason: string;
  readonly code: number | null;
  readonly graceful: boolean;
  readonly will: "fire" | "discard";
};

/** Why a socket is not read for the moment. */
export type Hold = "authenticating" | "undecided" | "unread output";

/** Who is on the other side, as far as the network tells. */
export type Peer = {
  readonly remoteAddress: string;
  /** The common name of its certificate, which has been verified; null where it showed none. */
  readonly certificateName: string | null;
};

/** How long a peer has to take the last bytes and close. */
const lingerMs = 5_000;

/**
 * One network connection, TCP or WebSocket, from accept to close: its bytes, its CONNECT, its end.
 *
 * C1 The first packet is CONNECT, there is no second one [MQTT-3.1.0-1, -2], and nothing is read until it is decided.
 * C2 Whatever goes wrong ends this connection only, and once.
 */
export class Connection {
  readonly outbox: Outbox;
  readonly #peer: Peer;
  readonly #stream: Duplex;
  readonly #listening: Listening;
  readonly #reader: PacketReader;
  readonly #openedAtMs: number;
  readonly #closed: (connection: Connection) => void;
  readonly #holds = new Set<Hold>();
  #phase: Phase = { kind: "new" };
  #fresh = true;

  constructor(stream: Duplex, peer: Peer, listening: Listening, closed: (connection: Connection) => void) {
    this.#stream = stream;
    this.#peer = peer;
    this.#listening = listening;
    this.#closed = closed;
    this.#openedAtMs = listening.now();
    this.outbox = new Outbox(stream, listening.flusher, listening.limits.maxBufferedBytes, () => {
      this.release("unread output");
      if (this.#phase.kind === "open") this.#phase.client.session.outgoing.pump();
    });
    this.#reader = new PacketReader(
      listening.limits.maxPacketBytes,
      (data, start, body, end) => this.#packet(data, start, body, end),
      (problem) => this.violation(problem, problem === "packet too large" ? 0x95 : 0x81),
    );
    stream.on("data", (chunk: Buffer) => {
      if (this.#fresh && !this.#beginsWithConnect(chunk)) return;
      this.#reader.push(chunk);
      if (this.outbox.full()) this.hold("unread output");
    });
    stream.on("error", () => {}); // `close` follows
    stream.on("close", () => {
      this.end({ reason: "socket closed", code: null, graceful: false, will: "fire" });
      this.#closed(this);
    });
  }

  /** The connection as the application knows it; null before it is accepted and after its end. */
  get identity(): MqttConnection | null {
    return this.#phase.kind === "open" ? this.#phase.client.identity : null;
  }

  hold(why: Hold): void {
    this.#holds.add(why);
    this.#reader.hold();
    this.#stream.pause();
  }

  release(why: Hold): void {
    if (!this.#holds.delete(why) || this.#holds.size > 0) return;
    this.#reader.release();
    if (this.#holds.size === 0) this.#stream.resume();
  }

  /** Ends the connection for something that the protocol forbids, and has it counted. */
  violation(reason: string, code: number): void {
    if (this.#phase.kind === "ended") return;
    const clientId = this.#phase.kind === "open" ? this.#phase.client.identity.clientId : null;
    this.#listening.application.violation({ clientId, remoteAddress: this.#peer.remoteAddress, reason });
    this.end({ reason: `protocol violation: ${reason}`, code, graceful: false, will: "fire" });
  }

  end(ending: Ending): void {
    const phase = this.#phase;
    if (phase.kind === "ended") return; // C2
    this.#phase = { kind: "ended", atMs: this.#listening.now() };
    this.#reader.end();
    if (phase.kind === "open" && phase.client.request.protocolVersion === 5 && ending.code !== null) {
      this.outbox.send(generate({ cmd: "disconnect", reasonCode: ending.code }, { protocolVersion: 5 }));
    }
    this.outbox.flush();
    this.#stream.end();
    this.#stream.resume(); // to see the peer's end
    if (phase.kind === "open") phase.client.ended(ending);
  }

  /** About once a second: time-outs, without a timer per connection. */
  sweep(nowMs: number): void {
    const phase = this.#phase;
    if (phase.kind === "ended") {
      if (nowMs - phase.atMs > lingerMs) this.#stream.destroy();
    } else if (phase.kind !== "open") {
      if (nowMs - this.#openedAtMs > this.#listening.limits.connectTimeoutMs) {
        this.end({ reason: "no CONNECT in time", code: null, graceful: false, will: "discard" });
      }
    } else {
      if (this.#holds.has("undecided")) phase.keepAlive.heard(); // it is we who do not listen
      if (phase.keepAlive.elapsed(nowMs)) {
        this.end({ reason: "keep-alive elapsed", code: 0x8d, graceful: false, will: "fire" });
      }
    }
  }

  /** At once, without waiting for what is still to be sent. */
  destroy(): void {
    this.#stream.destroy();
  }

  /** By the first byte, so that nothing else is waited for. */
  #beginsWithConnect(chunk: Buffer): boolean {
    this.#fresh = false;
    if (chunk[0] === 0x10) return true;
    this.violation("protocol error", 0x82); // C1
    return false;
  }

  #packet(data: Buffer, start: number, body: number, end: number): void {
    const phase = this.#phase;
    if (phase.kind === "open") {
      phase.keepAlive.heard();
      phase.client.packet(data, start, body, end);
    } else if (phase.kind === "new") {
      this.#connect(data.subarray(start, end));
    }
  }

  #connect(bytes: Buffer): void {
    const decoded = decodeConnect(bytes);
    if (decoded.kind === "problem") {
      // The version decides the form of the answer, and the client's is none that we know: 3.1.1's.
      if (decoded.problem === "unsupported protocol version") {
        this.outbox.send(connackRefused(4, "unsupportedVersion", decoded.detail));
      }
      this.violation(decoded.problem, 0x81);
      return;
    }
    const read = readConnect(decoded.packet, this.#listening.limits, this.#listening.newClientId);
    if (read.kind === "refuse") {
      this.#refuse(decoded.packet.protocolVersion ?? 4, read.refusal, read.reason);
      return;
    }
    const { request } = read;
    const { remoteAddress, certificateName } = this.#peer;
    this.#phase = { kind: "authenticating" };
    this.hold("authenticating"); // C1
    this.#listening.application
      .authenticate({
        clientId: request.clientId,
        username: request.username,
        password: request.password,
        remoteAddress,
        ...(certificateName !== null && { certificateName }),
      })
      .then(
        (decision) => {
          if (this.#phase.kind !== "authenticating") return; // closed meanwhile
          if (decision.kind === "accept") this.#accept(request, decision.principal);
          else this.#refuse(request.protocolVersion, decision.code, decision.reason);
        },
        (error: unknown) => {
          this.#listening.log.warn({ err: error, clientId: request.clientId }, "authenticating a client failed");
          this.#refuse(request.protocolVersion, "unavailable", "try again later");
        },
      );
  }

  #refuse(protocolVersion: 3 | 4 | 5, refusal: Refusal, reason: string): void {
    if (this.#phase.kind === "ended") return;
    this.outbox.send(connackRefused(protocolVersion, refusal, reason));
    this.end({ reason: `refused: ${reason}`, code: null, graceful: false, will: "discard" });
  }

  #accept(request: ConnectRequest, principal: Principal): void {
    const { sessions, limits, now, newConnectionId } = this.#listening;
    const opened = sessions.open(request.clientId, principal, request.cleanStart);
    if (opened === "foreign") {
      this.#refuse(request.protocolVersion, "badClientId", "the client id is in use by someone else");
      return;
    }
    const identity: MqttConnection = {
      id: newConnectionId(),
      clientId: request.clientId,
      principal,
      protocolVersion: request.protocolVersion,
      connectedAtMs: now(),
      remoteAddress: this.#peer.remoteAddress,
    };
    const client = new Client(identity, opened.session, { ...request, password: null }, this, this.#listening);
    const keepAlive = new KeepAlive(request.keepAliveSeconds, now());
    this.#phase = { kind: "open", client, keepAlive };
    this.outbox.send(connackAccepted(request, opened.present, limits));
    client.begin(opened.present);
    this.release("authenticating");
  }
}

type Phase =
  | { readonly kind: "new" }
  | { readonly kind: "authenticating" }
  | { readonly kind: "open"; readonly client: Client; readonly keepAlive: KeepAlive }
  | { readonly kind: "ended"; readonly atMs: number };
