import { createHash, randomBytes } from "node:crypto";
import type { CredentialKind } from "./port.ts";

/** A word that scanners for leaked secrets can look for. */
const prefixes: Record<CredentialKind, string> = { device: "dpl_d_", app: "dpl_a_" };
const secretBytes = 32;

/** A new secret: prefix and 256 random bits in base64url (RFC 4648 section 5). */
export function newSecret(kind: CredentialKind, random: (size: number) => Buffer = randomBytes): string {
  return prefixes[kind] + random(secretBytes).toString("base64url");
}

/**
 * What is stored and looked up: SHA-256. Slow salted hashes are for passwords, which people choose from few; of 256
 * random bits none can be guessed. And a look-up by the hash tells its time to nobody: who does not know the secret
 * cannot choose how much of its hash agrees.
 *
 * Null for text that is no secret of this kind, whatever is stored.
 */
export function hashOfSecret(kind: CredentialKind, secret: string): Buffer | null {
  if (!secretPattern.test(secret) || !secret.startsWith(prefixes[kind])) return null;
  return createHash("sha256").update(secret).digest();
}

const secretPattern = /^dpl_[da]_[A-Za-z0-9_-]{43}$/;
