import { generateKeyPairSync, sign } from "node:crypto";

/**
 * A new key and a certificate for `localhost` that it has signed itself, both PEM, valid for a day. Written out here
 * (X.509 v3, RFC 5280 §4.1, in DER) because Node makes keys but no certificates and openssl need not be installed.
 */
export function selfSigned(nowMs: number): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const localhost = sequence(set(sequence(oid("550403"), tlv(0x0c, Buffer.from("localhost"))))); // commonName
  const signedWith = sequence(oid("2a8648ce3d040302")); // ecdsa-with-SHA256
  const extensions = sequence(
    sequence(oid("551d13"), octets(sequence(boolean(true)))), // basicConstraints: cA
    sequence(oid("551d11"), octets(sequence(tlv(0x82, Buffer.from("localhost"))))), // subjectAltName: dNSName
  );
  const toBeSigned = sequence(
    tlv(0xa0, tlv(0x02, Buffer.of(2))), // version 3
    tlv(0x02, Buffer.of(1)), // serial number
    signedWith,
    localhost,
    sequence(utcTime(nowMs - 3_600_000), utcTime(nowMs + 86_400_000)),
    localhost,
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, extensions),
  );
  const signature = sign("sha256", toBeSigned, privateKey);
  const der = sequence(toBeSigned, signedWith, tlv(0x03, Buffer.of(0), signature));
  const base64 = der.toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  };
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
const octets = (part: Buffer) => tlv(0x04, part);
const oid = (hex: string) => tlv(0x06, Buffer.from(hex, "hex"));
const boolean = (value: boolean) => tlv(0x01, Buffer.of(value ? 0xff : 0));

/** YYMMDDhhmmssZ, for years before 2050. */
function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, "").slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}
