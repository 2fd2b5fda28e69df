import { randomUUID } from "node:crypto";
import { type CredentialSources, type CredentialSummary, type Credentials, claimHolds } from "./port.ts";
import { hashOfSecret, newSecret } from "./secret.ts";

/** Credentials in memory, gone with the process. */
export function openMemoryCredentials(
  { nowMs, newId }: CredentialSources = { nowMs: Date.now, newId: randomUUID },
): Credentials {
  const byHash = new Map<string, CredentialSummary>();
  return {
    async create(kind, subject) {
      const secret = newSecret(kind);
      const credential = { id: newId(), kind, subject, createdAtMs: nowMs(), revokedAtMs: null };
      byHash.set(hashOfSecret(kind, secret)!.toString("hex"), credential);
      return { credential, secret };
    },
    async verify(kind, secret, claimedSubject) {
      const hash = hashOfSecret(kind, secret);
      const credential = hash === null ? undefined : byHash.get(hash.toString("hex"));
      if (credential === undefined || credential.revokedAtMs !== null) return null;
      return claimHolds(kind, credential.subject, claimedSubject) ? credential.subject : null;
    },
    async list(kind, subject) {
      return [...byHash.values()].filter(
        (credential) => credential.kind === kind && (subject === undefined || credential.subject === subject),
      );
    },
    async revoke(id) {
      for (const [hash, credential] of byHash) {
        if (credential.id !== id || credential.revokedAtMs !== null) continue;
        byHash.set(hash, { ...credential, revokedAtMs: nowMs() });
        return true;
      }
      return false;
    },
  };
}
