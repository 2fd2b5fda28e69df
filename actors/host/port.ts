import type { Reply, Send, TwinInput } from "../../core/device/inputs.ts";
import type { TwinRecord } from "../../core/device/records.ts";

/** One turn's durable outcome, as told to listeners after the commit. */
export type CommittedTurn = {
  readonly device: string;
  /** Region of the device's registration after the turn; "" if none. */
  readonly region: string;
  readonly records: readonly TwinRecord[];
  readonly sends: readonly Send[];
};

/**
 * Where device twins live. Inputs of one device are taken one at a time, in the order of the calls.
 *
 * H1 A reply is given only when the turn's records, and every record that the twin it saw was folded from, are durable.
 * H2 The order is: commit, then listeners (sends go out there), then the reply.
 */
export interface TwinHost {
  ask(device: string, input: TwinInput): Promise<Reply>;
  /**
   * The hot path: as `ask`, without a promise. `done` is called exactly once, never before `deliver` returns.
   * `about` the message behind the input, where a broker that outlives us may deliver it again.
   */
  deliver(device: string, input: TwinInput, done: (reply: Reply) => void, about?: MessageDelivery): void;
  /** Called after each commit, in order of the turns, before the replies. Gives the function that ends it. */
  onCommitted(listener: (turns: readonly CommittedTurn[]) => void): () => void;
  /** The policies of device types have changed: every twin is judged anew, at once. */
  policiesChanged(): Promise<void>;
  stats(): HostStats;
}

/** `redelivered`: the broker has delivered it before. `digest`: hash of topic and payload; 0 if it has an identity of its own. */
export type MessageDelivery = { readonly redelivered: boolean; readonly digest: number };

export type HostStats = {
  readonly twinsInMemory: number;
  readonly deadlines: number;
  /** Turns waiting for a commit. */
  readonly pending: number;
  readonly committedOffset: number;
};
