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

/** Device tokens and app API keys. */
export interface Credentials {
  /** Makes a secret (256 bits, base64url) for the subject. A subject may have several, for rotation. */
  create(kind: CredentialKind, subject: string): Promise<{ credential: CredentialSummary; secret: string }>;
  /** The subject that the secret belongs to, or null. For devices the claimed subject must match. */
  verify(kind: CredentialKind, secret: string, claimedSubject?: string): Promise<string | null>;
  list(kind: CredentialKind, subject?: string): Promise<CredentialSummary[]>;
  revoke(id: string): Promise<boolean>;
}
