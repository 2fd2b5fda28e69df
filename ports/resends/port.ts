/** What came of sending a dead letter again: what the device's twin said. */
export type ResendOutcome =
  /** Telemetry: how many of its messages were new, known to the twin already, or refused (new dead letters). */
  | { readonly kind: "counted"; readonly accepted: number; readonly duplicates: number; readonly refused: number }
  | { readonly kind: "taken" }
  /** By the twin, with a new dead letter. */
  | { readonly kind: "refused"; readonly detail: string };

/** A dead letter that is being sent again, or was. */
export type Resend = {
  /** Id of the dead letter. */
  readonly letter: string;
  readonly device: string;
  /** Who asked, in words: the name of an app, or "anyone". */
  readonly by: string;
  /** Of the newest try, epoch ms. */
  readonly claimedAtMs: number;
  /** 1, and one more for each try that nobody heard the end of. */
  readonly tries: number;
  /** Digest of the payload that it was asked to be sent with; "" as it was. */
  readonly correction: string;
  /** Quality rules only flag what they would put in quarantine. */
  readonly override: boolean;
  /** What is sent, byte by byte; null once the outcome is known. */
  readonly payload: Uint8Array | null;
  /** Null: under way, or nobody knows how it ended. */
  readonly settled: { readonly atMs: number; readonly outcome: ResendOutcome } | null;
};

/** `token` is new for each claim: only its holder settles. */
export type ResendClaim = Pick<Resend, "letter" | "device" | "by" | "correction" | "override"> & {
  readonly token: string;
  readonly atMs: number;
  readonly payload: Uint8Array;
};

export type ClaimAnswer =
  /** The caller is the first: send it. */
  | { readonly kind: "claimed" }
  /**
   * An earlier try ended without a word, with the same correction (or the caller asks for none): its payload may have
   * had its effect. The caller has the claim now, and finishes what that one began, in its way.
   */
  | { readonly kind: "takenOver"; readonly resend: Resend & { readonly payload: Uint8Array } }
  /** Under way, settled, or begun with another payload. */
  | { readonly kind: "taken"; readonly resend: Resend };

/**
 * Which dead letters have been sent again, so that none is sent twice.
 *
 * N1 Of any number of claims of a letter, one gets it. A claim that is not settled can be taken over once it is older
 *    than `abandonedBeforeMs`; whoever had it cannot settle or release it any more.
 * N2 A settled letter stays settled.
 */
export interface Resends {
  claim(claim: ResendClaim, abandonedBeforeMs: number): Promise<ClaimAnswer>;
  /** False: somebody else has taken the claim over. */
  settle(letter: string, token: string, settled: NonNullable<Resend["settled"]>): Promise<boolean>;
  /** Gives back a claim that had no effect at all: the letter is as if it had never been asked for. */
  release(letter: string, token: string): Promise<void>;
  /** Those of the letters that were ever claimed, by letter. */
  find(letters: readonly string[]): Promise<ReadonlyMap<string, Resend>>;
}
