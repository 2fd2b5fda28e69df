/**
 * What waits for one WebSocket that reads more slowly than things happen: per key only the newest.
 * Pure: the socket is live.ts's.
 *
 * O1 After everything was taken, whoever applied it in order, and fetched anew at each `resync`, knows the newest
 *    message of each key, and of each reading the one with the newest time.
 * O2 At most `maxKeys` keys and `maxCharacters` of text wait; one more and all of it goes, and a `resync` is owed.
 * O3 The last `resync` comes `settleMs` or more after the last thing was dropped: what the reader then fetches has to
 *    contain it, and lists follow the twins by some 100 ms. Without end to the dropping there is one per `settleMs`.
 */
import type { LiveItem, LiveMessage, Reading } from "./live-messages.ts";
import { iso } from "./route.ts";

export type OutboxLimits = { readonly maxKeys: number; readonly maxCharacters: number; readonly settleMs: number };

export const defaultOutboxLimits: OutboxLimits = { maxKeys: 5_000, maxCharacters: 4_194_304, settleMs: 1_000 };

type Waiting =
  | { readonly kind: "text"; text: string }
  | {
      readonly kind: "telemetry";
      readonly device: string;
      readonly readings: Map<string, Reading>;
      characters: number;
    };

export class LiveOutbox {
  readonly #limits: OutboxLimits;
  /** In the order in which the keys came: a key that changes all the time neither starves nor starves others. */
  readonly #waiting = new Map<string, Waiting>();
  #characters = 0;
  /** When the next `resync` may go, epoch ms; null if none is owed. */
  #resyncAtMs: number | null = null;
  #droppedAtMs = 0;

  constructor(limits: OutboxLimits = defaultOutboxLimits) {
    this.#limits = limits;
  }

  /** Keys that wait, and characters of their text. */
  get size(): { keys: number; characters: number } {
    return { keys: this.#waiting.size, characters: this.#characters };
  }

  offer(item: LiveItem, nowMs: number): void {
    if (item.kind === "telemetry") this.#offerTelemetry(item);
    else this.#offerText(item.key, JSON.stringify(item.message));
    if (this.#waiting.size > this.#limits.maxKeys || this.#characters > this.#limits.maxCharacters) {
      this.#waiting.clear();
      this.#characters = 0;
      this.#droppedAtMs = nowMs;
      this.#resyncAtMs ??= nowMs + this.#limits.settleMs;
    }
  }

  /** The next text to send, which no longer waits then; null if there is none for now. */
  take(nowMs: number): string | null {
    if (this.#resyncAtMs !== null && nowMs >= this.#resyncAtMs) {
      const settledAtMs = this.#droppedAtMs + this.#limits.settleMs;
      this.#resyncAtMs = nowMs >= settledAtMs ? null : settledAtMs; // O3
      return textOf({ type: "resync" });
    }
    const first = this.#waiting.entries().next();
    if (first.done) return null;
    const [key, waiting] = first.value;
    this.#waiting.delete(key);
    this.#characters -= charactersOf(waiting);
    return waiting.kind === "text" ? waiting.text : telemetryText(waiting.device, waiting.readings);
  }

  #offerText(key: string, text: string): void {
    const waiting = this.#waiting.get(key);
    this.#characters += text.length - (waiting === undefined ? 0 : charactersOf(waiting));
    this.#waiting.set(key, { kind: "text", text });
  }

  #offerTelemetry({ device, readings }: Extract<LiveItem, { kind: "telemetry" }>): void {
    const key = `telemetry ${device}`;
    let waiting = this.#waiting.get(key);
    if (waiting?.kind !== "telemetry") {
      waiting = { kind: "telemetry", device, readings: new Map(), characters: 0 };
      this.#waiting.set(key, waiting);
    }
    for (const [metric, reading] of readings) {
      const older = waiting.readings.get(metric);
      if (older !== undefined && older.tsMs > reading.tsMs) continue;
      const grown =
        charactersOfReading(metric, reading) - (older === undefined ? 0 : charactersOfReading(metric, older));
      waiting.readings.set(metric, reading);
      waiting.characters += grown;
      this.#characters += grown;
    }
  }
}

export function textOf(message: LiveMessage): string {
  return JSON.stringify(message);
}

function telemetryText(device: string, readings: ReadonlyMap<string, Reading>): string {
  let newestMs = 0;
  const values: Record<string, Reading["value"]> = {};
  for (const [metric, { tsMs, value }] of readings) {
    if (tsMs > newestMs) newestMs = tsMs;
    values[metric] = value;
  }
  return textOf({ type: "telemetry", device, ts: iso(newestMs), readings: values });
}

function charactersOf(waiting: Waiting): number {
  return waiting.kind === "text" ? waiting.text.length : waiting.characters;
}

function charactersOfReading(metric: string, { value }: Reading): number {
  return metric.length + (typeof value === "string" ? value.length : 16);
}
