import type { RetainedMessage, RetainedStore } from "./port.ts";

/** Retained messages for as long as this object lives: the fake of the contract. */
export class MemoryRetained implements RetainedStore {
  readonly #messages = new Map<string, RetainedMessage>();

  async load(): Promise<RetainedMessage[]> {
    return [...this.#messages.values()];
  }

  async save(message: RetainedMessage): Promise<void> {
    if (message.payload.length === 0) this.#messages.delete(message.topic);
    else this.#messages.set(message.topic, { ...message, payload: Uint8Array.from(message.payload) });
  }
}
