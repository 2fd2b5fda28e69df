/** A secret is shown once, when it is made; what is stored is its hash. */
export type CredentialKind = "device" | "app";

export type CredentialSummary = {
  readonly id: string;
  readonly kind: CredentialKind;
  /** Device id, or the app's name. */
  readonly subject: string;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
};

/**
 * Device tokens and app API keys.
 *
 * K1 A secret is accepted from the moment `create` has resolved until `revoke` has, by every process on the store.
 * K2 No secret can be read from the store: only its hash is there.
 */
export interface Credentials {
  /** Makes a secret (256 bits, base64url, with a prefix) for the subject. A subject may have several, for rotation. */
  create(kind: CredentialKind, subject: string): Promise<{ credential: CredentialSummary; secret: string }>;
  /**
   * The subject that the secret belongs to, or null. A device has to say who it is: its claim must match, and none is
   * none. An app's claim is optional.
   */
  verify(kind: CredentialKind, secret: string, claimedSubject?: string): Promise<string | null>;
  /** Revoked ones too, oldest first. */
  list(kind: CredentialKind, subject?: string): Promise<CredentialSummary[]>;
  /** False if there is no such credential, or it is revoked already. */
  revoke(id: string): Promise<boolean>;
}

/** What an implementation is handed instead of reading the clock and the dice itself. */
export type CredentialSources = {
  readonly nowMs: () => number;
  /** A new id: a UUID. */
  readonly newId: () => string;
};

/** Whether a secret of `subject` may speak for whom it claims to be. */
export function claimHolds(kind: CredentialKind, subject: string, claimed: string | undefined): boolean {
  return claimed === undefined ? kind === "app" : claimed === subject;
}
