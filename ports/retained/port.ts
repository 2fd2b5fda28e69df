import type { JsonObject } from "../../core/json.ts";

/** A retained MQTT message. An empty payload clears the topic's (MQTT 3.1.1 [MQTT-3.3.1-10]). */
export type RetainedMessage = {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  /** MQTT 5 properties that go with it, as JSON (binary ones in base64); null if it has none. */
  readonly properties: JsonObject | null;
  /** Not to be delivered from then on (MQTT 5 Message Expiry Interval); null for never. */
  readonly expiresAtMs: number | null;
};

/** Retained messages that outlive the process. `save` resolves when durable; saves of one topic keep their order. */
export interface RetainedStore {
  load(): Promise<RetainedMessage[]>;
  save(message: RetainedMessage): Promise<void>;
}
