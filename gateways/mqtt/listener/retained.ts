import type { Json, JsonObject } from "../../../core/json.ts";
import type { RetainedMessage, RetainedStore } from "../../../ports/retained/port.ts";
import type { PublishProperties } from "../broker-port.ts";
import type { Message } from "./publish-encoder.ts";
import { tooDeep } from "./topic-filter.ts";
import { TopicTree } from "./topic-tree.ts";

/** The last retained message of each topic: in memory to be found, in the store to outlive the process. */
export class RetainedMessages {
  readonly #store: RetainedStore;
  readonly #maxBytes: number;
  readonly #topics = new TopicTree<Retained>();
  #bytes = 0;
  #count = 0;
  #refused = 0;

  constructor(store: RetainedStore, maxBytes: number) {
    this.#store = store;
    this.#maxBytes = maxBytes;
  }

  /** Topics that have one. */
  get count(): number {
    return this.#count;
  }

  /** Messages for which there was no room, since the start. */
  get refused(): number {
    return this.#refused;
  }

  async load(): Promise<void> {
    for (const stored of await this.#store.load()) this.#put(fromStored(stored), Promise.resolve());
  }

  /**
   * Keeps it (an empty payload clears the topic's) and gives the promise of its being durable, or null where there is
   * no room for it. The same message as is kept already is not saved again.
   */
  keep(message: Message, qos: 0 | 1 | 2): Promise<void> | null {
    const known = this.#topics.get(message.topic);
    if (message.payload.length === 0) {
      if (known === undefined) return this.#store.save(toStored({ message, qos }));
      this.#remove(known);
      return this.#store.save(toStored({ message, qos }));
    }
    if (known !== undefined && !known.failed && same(known, message, qos)) return known.saved;
    const bytes = this.#bytes - (known === undefined ? 0 : bytesOf(known.message)) + bytesOf(message);
    if (bytes > this.#maxBytes || tooDeep(message.topic)) {
      this.#refused++;
      return null;
    }
    const kept = { message, qos };
    const saved = this.#store.save(toStored(kept));
    this.#put(kept, saved);
    return saved;
  }

  /** What a new subscription is sent, without what has expired. */
  matching(filter: string, nowMs: number): { message: Message; qos: 0 | 1 | 2 }[] {
    const found = this.#topics.find(filter);
    const expired = found.filter((kept) => kept.message.expiresAtMs !== null && kept.message.expiresAtMs <= nowMs);
    for (const kept of expired) {
      this.#remove(kept);
      const cleared = { topic: kept.message.topic, payload: new Uint8Array(), qos: kept.qos };
      this.#store.save({ ...cleared, properties: null, expiresAtMs: null }).catch(() => {}); // tried again after a start
    }
    return expired.length === 0 ? found : found.filter((kept) => !expired.includes(kept));
  }

  #put(kept: Kept, saved: Promise<void>): void {
    const known = this.#topics.get(kept.message.topic);
    if (known !== undefined) this.#remove(known);
    const retained: Retained = { ...kept, saved, failed: false };
    saved.catch(() => {
      retained.failed = true; // so that the same message is saved when it comes again
    });
    this.#topics.set(kept.message.topic, retained);
    this.#bytes += bytesOf(kept.message);
    this.#count++;
  }

  #remove(kept: Retained): void {
    this.#topics.delete(kept.message.topic);
    this.#bytes -= bytesOf(kept.message);
    this.#count--;
  }
}

type Kept = { readonly message: Message; readonly qos: 0 | 1 | 2 };
type Retained = Kept & { readonly saved: Promise<void>; failed: boolean };

function same(kept: Kept, message: Message, qos: 0 | 1 | 2): boolean {
  return (
    kept.qos === qos &&
    kept.message.properties === message.properties &&
    kept.message.expiresAtMs === message.expiresAtMs &&
    kept.message.payload.equals(message.payload)
  );
}

function bytesOf(message: Message): number {
  return message.payload.length + message.topic.length + 128;
}

function toStored({ message, qos }: Kept): RetainedMessage {
  const { topic, payload, expiresAtMs } = message;
  return { topic, payload, qos, properties: propertiesToJson(message.properties), expiresAtMs };
}

function fromStored(stored: RetainedMessage): Kept {
  return {
    message: {
      topic: stored.topic,
      payload: Buffer.from(stored.payload),
      properties: propertiesFromJson(stored.properties),
      expiresAtMs: stored.expiresAtMs,
    },
    qos: stored.qos,
  };
}

function propertiesToJson(properties: PublishProperties | null): JsonObject | null {
  if (properties === null) return null;
  const { correlationData, messageExpiryInterval: _, ...plain } = properties;
  const json = plain as { [name: string]: Json };
  return correlationData === undefined
    ? { ...json }
    : { ...json, correlationData: Buffer.from(correlationData).toString("base64") };
}

function propertiesFromJson(json: JsonObject | null): PublishProperties | null {
  if (json === null) return null;
  const { correlationData, ...plain } = json;
  return typeof correlationData === "string"
    ? { ...(plain as PublishProperties), correlationData: Buffer.from(correlationData, "base64") }
    : (plain as PublishProperties);
}
