/** What one client may cost. Every bound that the listener keeps is here; bytes and milliseconds. */
export type Limits = {
  /** Largest packet accepted, fixed header included; a larger one ends the connection before it is buffered. */
  readonly maxPacketBytes: number;
  /** A connection that has not finished its CONNECT by then is closed. */
  readonly connectTimeoutMs: number;
  /** Publishes of one connection that the application has not decided on; at this many its socket is not read. */
  readonly maxUndecided: number;
  /** Receive Maximum told to MQTT 5 clients: QoS 1 and 2 publishes they may have open. */
  readonly receiveMaximum: number;
  /** QoS 1 and 2 publishes on the way to one client (less if its Receive Maximum is lower). */
  readonly maxInflight: number;
  /** QoS 1 and 2 messages that wait for one client, away or slow; then the oldest is dropped. */
  readonly maxQueuedMessages: number;
  readonly maxQueuedBytes: number;
  /** Retained messages that wait for one client after its SUBSCRIBE; further ones are dropped. */
  readonly maxRetainedBacklog: number;
  /** Bytes written but not yet taken by one client; above it QoS 0 is dropped, QoS 1 and 2 wait, its socket is not read. */
  readonly maxBufferedBytes: number;
  /** Sessions kept for clients that are away; then the one that has been away longest is ended. */
  readonly maxKeptSessions: number;
  /** Longest time a session is kept; MQTT 5 clients are told, "for ever" of MQTT 3.1.1 means this. */
  readonly maxSessionExpiryMs: number;
  readonly maxSubscriptionsPerSession: number;
  /** Topics and payloads of all retained messages together. */
  readonly maxRetainedBytes: number;
};

export const defaultLimits: Limits = {
  maxPacketBytes: 256 * 1024,
  connectTimeoutMs: 10_000,
  maxUndecided: 1_000,
  receiveMaximum: 1_000,
  maxInflight: 100,
  maxQueuedMessages: 1_000,
  maxQueuedBytes: 4 * 1024 * 1024,
  maxRetainedBacklog: 500_000,
  maxBufferedBytes: 1024 * 1024,
  maxKeptSessions: 10_000,
  maxSessionExpiryMs: 7 * 24 * 3_600_000,
  maxSubscriptionsPerSession: 1_000,
  maxRetainedBytes: 64 * 1024 * 1024,
};
