/** What this host serves. */
export type ActorTypes = {
  readonly types: readonly string[];
  /** Whole seconds without a call after which Dapr takes an actor out of memory. */
  readonly idleTimeoutSeconds: number;
  /**
   * Whole seconds that Dapr waits for calls under way before it moves actors. Short (1 or 2): meanwhile every actor of the
   * type waits, on all hosts, and Dapr 1.18 counts as under way a call that came while no host of its type was known.
   */
  readonly drainSeconds: number;
};

export type ActorCall = {
  readonly type: string;
  readonly id: string;
  readonly method: string;
  readonly body: Uint8Array;
};
export type ActorReminder = {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
};

/** The actors' side. Failures of turns are data in the answer's body: a throw here is a bug, told to the caller as 500. */
export type ActorHandlers = {
  readonly call: (call: ActorCall) => Promise<Uint8Array>;
  readonly reminder: (reminder: ActorReminder) => Promise<void>;
  /** The actor lives elsewhere from now on. Copies what it must and returns at once: it holds up others of its type. */
  readonly deactivated: (actor: { readonly type: string; readonly id: string }) => void;
};

/**
 * How a process hosts actors for its sidecar. One contract for both ways: the stream (gRPC) and the HTTP callbacks.
 *
 * P1 Calls come as they come: the sidecar promises one at a time per actor only while no caller gives up. Who needs more
 *    has a queue per actor.
 * P2 A sidecar that ends or restarts is waited for, with back-off, for ever; `onConnection` tells of it. With its sidecar
 *    a host loses all its actors, and is not told of each: other hosts may have them at once.
 * P3 `close` takes no more calls, answers those under way, and only then leaves the placement.
 */
export interface ActorProtocol {
  /** Whether the sidecar has us in its table. */
  readonly connected: boolean;
  close(): Promise<void>;
}
