/**
 * Cuts a byte stream into MQTT packets by their fixed header (MQTT 5.0 §2.1).
 *
 * R1 A packet over the limit is refused as soon as its length is known, before it is buffered.
 * R2 A packet that lies whole in a chunk is handed on without a copy.
 * R3 While held, nothing is handed on, and what arrives is kept; `release` goes on where it stopped.
 */
export class PacketReader {
  readonly #maxPacketBytes: number;
  readonly #onPacket: OnPacket;
  readonly #onProblem: (problem: FramingProblem) => void;
  #parts: Buffer[] = [];
  #buffered = 0;
  /** Bytes that must be there before reading on is worth a try. */
  #wanted = 0;
  #state: "reading" | "held" | "ended" = "reading";

  constructor(maxPacketBytes: number, onPacket: OnPacket, onProblem: (problem: FramingProblem) => void) {
    this.#maxPacketBytes = maxPacketBytes;
    this.#onPacket = onPacket;
    this.#onProblem = onProblem;
  }

  push(chunk: Buffer): void {
    if (this.#state === "ended") return;
    if (this.#buffered === 0 && this.#state === "reading") {
      this.#cut(chunk);
      return;
    }
    this.#keep(chunk);
    if (this.#state === "reading" && this.#buffered >= this.#wanted) this.#cut(this.#take());
  }

  hold(): void {
    if (this.#state === "reading") this.#state = "held";
  }

  release(): void {
    if (this.#state !== "held") return;
    this.#state = "reading";
    if (this.#buffered > 0 && this.#buffered >= this.#wanted) this.#cut(this.#take());
  }

  get held(): boolean {
    return this.#state === "held";
  }

  /** Nothing is handed on any more. */
  end(): void {
    this.#state = "ended";
    this.#parts = [];
    this.#buffered = 0;
  }

  #cut(data: Buffer): void {
    let at = 0;
    while (at < data.length && this.#state === "reading") {
      const available = data.length - at;
      let length = 0;
      let header = 1;
      let more = true;
      while (more && header < 5 && header < available) {
        const byte = data[at + header]!;
        length += (byte & 0x7f) << (7 * (header - 1));
        more = byte >= 0x80;
        header++;
      }
      if (more) {
        if (header === 5) {
          // [MQTT-1.5.5]: at most four length bytes
          this.#refuse("malformed packet");
          return;
        }
        this.#wanted = available + 1;
        break;
      }
      const size = header + length;
      if (size > this.#maxPacketBytes) {
        // R1
        this.#refuse("packet too large");
        return;
      }
      if (size > available) {
        this.#wanted = size;
        break;
      }
      this.#wanted = 0;
      this.#onPacket(data, at, at + header, at + size); // R2
      at += size;
    }
    if (at < data.length && this.#state !== "ended") this.#keepFirst(data.subarray(at));
  }

  #refuse(problem: FramingProblem): void {
    this.end();
    this.#onProblem(problem);
  }

  /** The rest of a chunk, before anything that came in while its packets were handled. */
  #keepFirst(rest: Buffer): void {
    this.#parts.unshift(rest);
    this.#buffered += rest.length;
  }

  #keep(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#buffered += chunk.length;
    // A client that sends single bytes must not cost a Buffer object for each.
    if (this.#parts.length >= 64) this.#parts = [Buffer.concat(this.#parts)];
  }

  #take(): Buffer {
    const data = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#buffered = 0;
    return data;
  }
}

export type FramingProblem = "malformed packet" | "packet too large";

/** One packet is `data[start, end)`; what follows its fixed header begins at `body`. */
export type OnPacket = (data: Buffer, start: number, body: number, end: number) => void;
