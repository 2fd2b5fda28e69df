/** A PostgreSQL that speaks TLS, by the parameters of DATABASE_URL. */
import { chmodSync, chownSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../deploy/native/process.ts";
import { filesOf, folderOf, testAuthority } from "../tls/testing.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { openPool } from "./pool.ts";
import { serverUser } from "./server-user.ts";

const authority = testAuthority(Date.now());
const stranger = testAuthority(Date.now(), "Somebody else");
const server = authority.issue({ commonName: "postgres", use: "server" });
const { path, remove } = folderOf({ crt: server.cert, key: server.key, ca: authority.cert, other: stranger.cert });
const folder = mkdtempSync("/tmp/doppel-pgtls-"); // not TMPDIR: a socket's path must be short
let cluster: Cluster;
let port: number;

beforeAll(async () => {
  const { switch: user } = serverUser(null);
  chmodSync(folder, 0o711);
  chmodSync(dirname(path("key")), 0o711);
  if ("uid" in user) for (const name of ["crt", "key"]) chownSync(path(name), user.uid, user.gid);
  port = await freePort();
  cluster = await startCluster(join(folder, "postgres"), {
    durable: false,
    temporary: true,
    settings: {
      listen_addresses: "127.0.0.1,127.0.0.2", // the certificate names the first
      port: String(port),
      ssl: "on",
      ssl_cert_file: path("crt"),
      ssl_key_file: path("key"),
    },
  });
}, 120_000);
afterAll(async () => {
  await cluster?.stop();
  remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Whether the connection that the URL makes is encrypted. */
async function encrypted(parameters: string, host = "127.0.0.1"): Promise<boolean> {
  const pool = openPool(`postgresql://doppel@${host}:${port}/doppel?${parameters}`);
  try {
    const { rows } = await pool.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()");
    return rows[0].ssl;
  } finally {
    await pool.end();
  }
}

test("sslmode=verify-full with sslrootcert encrypts, to the server that it names", async () => {
  expect(await encrypted(`sslmode=verify-full&sslrootcert=${path("ca")}`)).toBe(true);
  expect(await encrypted("")).toBe(false);
});

test("sslmode=verify-full refuses another authority's server, one of another name, and one that Node does not trust", async () => {
  await expect(encrypted(`sslmode=verify-full&sslrootcert=${path("other")}`)).rejects.toThrow(/certificate/);
  await expect(encrypted(`sslmode=verify-full&sslrootcert=${path("ca")}`, "127.0.0.2")).rejects.toThrow(/altnames/);
  await expect(encrypted("sslmode=verify-full")).rejects.toThrow(/certificate/);
});

test("files that are not there, or do not fit, are refused before anything connects, by the parameter's name", () => {
  const mine = filesOf({ crt: server.cert, key: authority.key });
  const open = (parameters: string) => () => openPool(`postgresql://doppel@127.0.0.1:${port}/doppel?${parameters}`);
  expect(open("sslmode=verify-full&sslrootcert=/nowhere/ca.crt")).toThrow(
    /^sslrootcert of DATABASE_URL is "\/nowhere\/ca.crt", which is not there/,
  );
  expect(open(`sslmode=verify-full&sslcert=${mine("crt")}&sslkey=${mine("key")}`)).toThrow(
    /^sslkey of DATABASE_URL is .*which is not the key of/,
  );
});
