import { isUtf8 } from "node:buffer";
import { topicProblem } from "./topic-filter.ts";

/** A PUBLISH without MQTT 5 properties. `payload` is a view into the chunk it came in. */
export type PlainPublish = {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly packetId: number;
};

/** `slow`: has properties, so the general decoder takes it. */
export type PublishDecoding = PlainPublish | "slow" | "malformed packet" | "bad utf-8" | "bad topic";

/**
 * Decodes the PUBLISH packets of one connection, which are nearly all of its packets and nearly always name the topic
 * that the one before named: that one is recognised by its bytes and neither decoded nor checked again.
 * Says the same as mqtt-packet, on which the general decoder rests (there is a property test).
 */
export class PublishDecoder {
  readonly #properties: boolean;
  #topicBytes: Buffer = Buffer.alloc(0);
  #topic = "";

  constructor(protocolVersion: 3 | 4 | 5) {
    this.#properties = protocolVersion === 5;
  }

  decode(data: Buffer, start: number, body: number, end: number): PublishDecoding {
    const flags = data[start]! & 0x0f;
    const qos = (flags >> 1) & 3;
    if (qos === 3) return "malformed packet"; // [MQTT-3.3.1-4]
    if (end - body < 2) return "malformed packet";
    const topicStart = body + 2;
    const topicEnd = topicStart + ((data[body]! << 8) | data[body + 1]!);
    let at = topicEnd + (qos > 0 ? 2 : 0);
    if (at > end) return "malformed packet";
    let packetId = 0;
    if (qos > 0) {
      packetId = (data[topicEnd]! << 8) | data[topicEnd + 1]!;
      if (packetId === 0) return "malformed packet"; // [MQTT-2.3.1-1]
    }
    if (this.#properties) {
      if (at >= end) return "malformed packet";
      if (data[at] !== 0 || topicEnd === topicStart) return "slow"; // properties, or an empty topic (an alias)
      at++;
    }
    if (!this.#isLastTopic(data, topicStart, topicEnd)) {
      const bytes = data.subarray(topicStart, topicEnd);
      if (!isUtf8(bytes)) return "bad utf-8"; // [MQTT-1.5.3-1]
      const topic = bytes.toString("utf8");
      if (topicProblem(topic) !== null) return "bad topic";
      this.#topic = topic;
      this.#topicBytes = Buffer.from(bytes);
    }
    return {
      topic: this.#topic,
      payload: data.subarray(at, end),
      qos: qos as 0 | 1 | 2,
      retain: (flags & 1) === 1,
      packetId,
    };
  }

  #isLastTopic(data: Buffer, from: number, to: number): boolean {
    const last = this.#topicBytes;
    if (to - from !== last.length || last.length === 0) return false;
    for (let i = 0; i < last.length; i++) if (data[from + i] !== last[i]) return false;
    return true;
  }
}
