/** A retained MQTT message. An empty payload clears the topic's (MQTT 3.1.1 [MQTT-3.3.1-10]). */
export type RetainedMessage = { readonly topic: string; readonly payload: Uint8Array; readonly qos: 0 | 1 | 2 };

/** Retained messages that outlive the process. `save` resolves when durable; saves of one topic keep their order. */
export interface RetainedStore {
  load(): Promise<RetainedMessage[]>;
  save(message: RetainedMessage): Promise<void>;
}
