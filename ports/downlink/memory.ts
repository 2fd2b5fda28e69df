import { BrokerAway, type Downlink, type DownlinkMessage } from "./port.ts";

/** For tests: keeps what was sent, in order. */
export class MemoryDownlink implements Downlink {
  readonly sent: DownlinkMessage[] = [];
  /** Set to false for a broker that is away. */
  connected = true;
  #closed = false;

  async publish(message: DownlinkMessage): Promise<void> {
    if (this.#closed) throw new BrokerAway(`The downlink is closed: ${message.topic} gets nothing more.`);
    if (!this.connected) throw new BrokerAway(`No broker takes a message to ${message.topic}.`);
    this.sent.push(message);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}
