/** A message on its way to whoever listens at the broker. */
export type DownlinkMessage = {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: 0 | 1;
  readonly retain?: boolean;
};

/**
 * Messages from Doppel to devices, through a broker that outlives us.
 *
 * D1 Messages of one topic go out in the order of the calls.
 * D2 `publish` resolves when the broker has acknowledged (QoS 1) or taken (QoS 0) it, and rejects with `BrokerAway` when
 *    it did not within the time-out: the message may have gone out, and is not tried again. Twins send again what a
 *    device still needs when it comes back.
 */
export interface Downlink {
  publish(message: DownlinkMessage): Promise<void>;
  /** Whether at least one connection stands. */
  readonly connected: boolean;
  close(): Promise<void>;
}

export class BrokerAway extends Error {
  override readonly name = "BrokerAway";
  readonly code = "BROKER_AWAY";
  readonly retry = "later";
}
