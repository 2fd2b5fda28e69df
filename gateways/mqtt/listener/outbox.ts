import type { Duplex } from "node:stream";

/** First byte of an acknowledgement that is nothing but a packet id (all MQTT versions). */
export const ack = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 } as const;

/** Flushes, at the end of the tick, every outbox that got something in it: one write per connection. */
export class FlushAtTickEnd {
  #waiting: Outbox[] = [];

  add(outbox: Outbox): void {
    if (this.#waiting.length === 0) process.nextTick(() => this.#flush());
    this.#waiting.push(outbox);
  }

  #flush(): void {
    const outboxes = this.#waiting;
    this.#waiting = [];
    for (const outbox of outboxes) outbox.flush();
  }
}

/**
 * What one connection is to be sent, collected until the end of the tick. Who is told that it is full hears when there
 * is room again.
 */
export class Outbox {
  readonly #stream: Duplex;
  readonly #flusher: FlushAtTickEnd;
  readonly #maxBufferedBytes: number;
  readonly #onRoom: () => void;
  #someoneWaits = false;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  /** First byte << 16 | packet id. */
  #acks: number[] = [];
  #waiting = false;

  constructor(stream: Duplex, flusher: FlushAtTickEnd, maxBufferedBytes: number, onRoom: () => void) {
    this.#stream = stream;
    this.#flusher = flusher;
    this.#maxBufferedBytes = Math.max(maxBufferedBytes, stream.writableHighWaterMark); // below it there is no `drain`
    this.#onRoom = onRoom;
    stream.on("drain", () => this.#room());
  }

  /** True while the client has too much that it has not taken; then `onRoom` follows. */
  full(): boolean {
    const buffered = this.#bytes + this.#acks.length * 4 + this.#stream.writableLength;
    if (buffered < this.#maxBufferedBytes) return false;
    this.#someoneWaits = true;
    return true;
  }

  send(packet: Uint8Array): void {
    if (this.#acks.length > 0) this.#encodeAcks();
    this.#chunks.push(packet);
    this.#bytes += packet.length;
    this.#wait();
  }

  /** `kind` is one of `ack`. */
  acknowledge(kind: number, packetId: number): void {
    this.#acks.push((kind << 16) | packetId);
    this.#wait();
  }

  flush(): void {
    this.#waiting = false;
    if (this.#acks.length > 0) this.#encodeAcks();
    if (this.#chunks.length === 0 || !this.#stream.writable) return;
    const data = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#bytes = 0;
    this.#stream.write(data);
    if (!this.#stream.writableNeedDrain) this.#room(); // no `drain` will come
  }

  #room(): void {
    if (!this.#someoneWaits) return;
    this.#someoneWaits = false;
    this.#onRoom();
  }

  #encodeAcks(): void {
    const bytes = Buffer.allocUnsafe(this.#acks.length * 4);
    let at = 0;
    for (const packed of this.#acks) {
      bytes[at] = packed >>> 16;
      bytes[at + 1] = 2;
      bytes[at + 2] = (packed >>> 8) & 0xff;
      bytes[at + 3] = packed & 0xff;
      at += 4;
    }
    this.#acks = [];
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
  }

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#flusher.add(this);
  }
}
