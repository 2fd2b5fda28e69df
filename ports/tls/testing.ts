/**
 * Certificates for tests, signed by an authority of their own. Written out here (X.509 v3, RFC 5280 §4.1, in DER) because
 * Node makes keys but no certificates and openssl need not be installed.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** Both PEM. */
export type Issued = { readonly cert: string; readonly key: string };

export type Wanted = {
  readonly commonName: string;
  /** DNS names; localhost and 127.0.0.1 are always there. */
  readonly names?: readonly string[];
  /** Default: both. */
  readonly use?: "server" | "client";
  /** Epoch milliseconds; default a day from when the authority was made. */
  readonly validUntilMs?: number;
};

export type TestAuthority = Issued & { issue(wanted: Wanted): Issued };

/** An authority that is valid for a day, and so is what it signs. */
export function testAuthority(nowMs: number, name = "Doppel's tests"): TestAuthority {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const isAuthority = extension("551d13", sequence(boolean(true))); // basicConstraints: cA
  const times = [nowMs - 3_600_000, nowMs + 86_400_000] as const;
  const certificate = (subject: string, publicKeyOf: KeyObject, until: number, extensions: Buffer[]) =>
    signed(privateKey, { issuer: name, subject, publicKey: publicKeyOf, from: times[0], until, extensions });
  return {
    cert: certificate(name, publicKey, times[1], [isAuthority]),
    key: pemOf(privateKey),
    issue({ commonName, names = [], use, validUntilMs = times[1] }) {
      const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const extensions = [alternativeNames(["localhost", ...names]), ...(use === undefined ? [] : [usage(use)])];
      return { cert: certificate(commonName, own.publicKey, validUntilMs, extensions), key: pemOf(own.privateKey) };
    },
  };
}

/** A new key and a certificate for `localhost` that it has signed itself. */
export function selfSigned(nowMs: number): Issued {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const extensions = [extension("551d13", sequence(boolean(true))), alternativeNames(["localhost"])];
  const times = { from: nowMs - 3_600_000, until: nowMs + 86_400_000 };
  const cert = signed(privateKey, { issuer: "localhost", subject: "localhost", publicKey, ...times, extensions });
  return { cert, key: pemOf(privateKey) };
}

/** Null: the file is not there. */
type Texts = Readonly<Record<string, string | null>>;

/** Files of the test, in a folder that goes with it: gives the path of a name. */
export function filesOf(texts: Texts): (name: string) => string {
  const { path, remove } = folderOf(texts);
  onTestFinished(remove);
  return path;
}

/** The same for whom several tests share it. */
export function folderOf(texts: Texts): { path(name: string): string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "doppel-tls-"));
  for (const [name, text] of Object.entries(texts))
    if (text !== null) writeFileSync(join(folder, name), text, { mode: 0o600 });
  return {
    path: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

type Signing = {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly from: number;
  readonly until: number;
  readonly extensions: readonly Buffer[];
};

function signed(key: KeyObject, { issuer, subject, publicKey, from, until, extensions }: Signing): string {
  const signedWith = sequence(oid("2a8648ce3d040302")); // ecdsa-with-SHA256
  const toBeSigned = sequence(
    tlv(0xa0, tlv(0x02, Buffer.of(2))), // version 3
    tlv(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])), // serial number
    signedWith,
    nameOf(issuer),
    sequence(utcTime(from), utcTime(until)),
    nameOf(subject),
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", toBeSigned, createPrivateKey(pemOf(key)));
  const base64 = sequence(toBeSigned, signedWith, tlv(0x03, Buffer.of(0), signature)).toString("base64");
  const lines = base64.replace(/.{64}/g, "$&\n").trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function alternativeNames(names: readonly string[]): Buffer {
  const each = names.map((name) => tlv(0x82, Buffer.from(name))); // dNSName
  return extension("551d11", sequence(...each, tlv(0x87, Buffer.of(127, 0, 0, 1)))); // iPAddress
}

function usage(use: "server" | "client"): Buffer {
  return extension("551d25", sequence(oid(use === "server" ? "2b06010505070301" : "2b06010505070302")));
}

function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(oid("550403"), tlv(0x0c, Buffer.from(commonName)))));
}

function extension(hex: string, value: Buffer): Buffer {
  return sequence(oid(hex), tlv(0x04, value));
}

/** Tag, length, value (X.690 §8.1); lengths up to 65,535. */
function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), value]);
}

const sequence = (...parts: Buffer[]) => tlv(0x30, ...parts);
const set = (...parts: Buffer[]) => tlv(0x31, ...parts);
const oid = (hex: string) => tlv(0x06, Buffer.from(hex, "hex"));
const boolean = (value: boolean) => tlv(0x01, Buffer.of(value ? 0xff : 0));

/** YYMMDDhhmmssZ, for years before 2050. */
function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, "").slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}
