/**
 * Certificates, keys and authorities from PEM files. Each is checked when it is read, so that what does not fit is told at
 * the start and by the option that named the file, not by a stranger's failed handshake.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** A file, and what people call the option that names it. */
export type NamedFile = { readonly option: string; readonly path: string };

/** A file of TLS cannot be used as it is. */
export class TlsFileUnfit extends Error {
  override readonly name = "TlsFileUnfit";
  readonly code = "TLS_FILE_UNFIT";
  readonly retry = "never";
  constructor({ option, path }: NamedFile, problem: string, todo: string, cause?: unknown) {
    super(`${option} is "${path}", ${problem}. ${todo}`, cause === undefined ? {} : { cause });
  }
}

/** What proves who we are: a certificate, with those of its chain behind it, and its key. */
export type Identity = {
  readonly cert: string;
  readonly key: string;
  readonly expiresAtMs: number;
};

/** @throws TlsFileUnfit also where the key is another certificate's */
export function readIdentity(certificate: NamedFile, key: NamedFile): Identity {
  const cert = readPem(certificate);
  const [leaf] = certificatesIn(cert, certificate);
  const keyPem = readPem(key);
  const privateKey = keyOf(keyPem, key);
  if (!leaf!.checkPrivateKey(privateKey)) {
    throw new TlsFileUnfit(
      key,
      `which is not the key of the first certificate in ${certificate.option} ("${certificate.path}")`,
      "Name the two files that were made together; of a chain, the server's own certificate comes first.",
    );
  }
  return { cert, key: keyPem, expiresAtMs: Date.parse(leaf!.validTo) };
}

/** The certificates of whoever's signature is trusted. */
export function readAuthorities(file: NamedFile): string {
  const pem = readPem(file);
  certificatesIn(pem, file);
  return pem;
}

function readPem(file: NamedFile): string {
  const text = readText(file);
  if (text.includes("-----BEGIN ")) return text;
  throw new TlsFileUnfit(file, "which is not PEM", 'Its text should have a line "-----BEGIN …-----".');
}

function readText(file: NamedFile): string {
  try {
    return readFileSync(file.path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "which is not there" : `which cannot be read (${code})`;
    throw new TlsFileUnfit(file, why, "Name a file that this user may read.", error);
  }
}

function certificatesIn(pem: string, file: NamedFile): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED )?CERTIFICATE-----/g);
  if (blocks === null)
    throw new TlsFileUnfit(file, "which holds no certificate", "It should have a block of BEGIN CERTIFICATE.");
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw new TlsFileUnfit(file, "which holds a certificate that cannot be read", "Make or copy it again.", error);
  }
}

function keyOf(pem: string, file: NamedFile): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const encrypted = /ENCRYPTED/.test(pem);
    throw new TlsFileUnfit(
      file,
      encrypted ? "which is a key under a passphrase" : "which holds no private key",
      encrypted
        ? "Store it without one (openssl pkey), readable by this user alone."
        : "It should have a block of BEGIN PRIVATE KEY.",
      error,
    );
  }
}
