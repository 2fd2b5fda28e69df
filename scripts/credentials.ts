/**
 * `npm run credentials`: makes, lists and revokes device tokens and API keys, whether Doppel runs or not: it speaks to
 * the database itself, so whoever can reach the data folder needs no key to make the first one.
 */
import { readConfig } from "../config.ts";
import { deviceIdPattern } from "../core/device/registration.ts";
import type { CredentialKind, Credentials } from "../ports/credentials/port.ts";
import { openPostgresCredentials } from "../ports/credentials/postgres.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { readSecretFile } from "../secret-files.ts";
import { openDatabase } from "./database.ts";

const usage = `npm run credentials -- create device DEVICE_ID    a token: MQTT user name = device id, password = token
npm run credentials -- create app NAME            an API key: Authorization: Bearer KEY
npm run credentials -- list [device | app] [SUBJECT]
npm run credentials -- revoke ID

The secret is shown once; only its hash is kept. DOPPEL_DATA_DIR or DATABASE_URL names the database, as for npm start.
`;

const [verb = "", ...rest] = process.argv.slice(2);
const read = readConfig(process.env, [], readSecretFile);
if (read.kind !== "config") {
  process.stderr.write(read.kind === "problems" ? `${read.problems.join("\n")}\n` : usage);
  process.exit(2);
}
const wanted = command(verb, rest);
if (wanted === null) {
  process.stdout.write(usage);
  process.exit(verb === "" || verb === "--help" || verb === "-h" ? 0 : 2);
}

const database = await openDatabase(read.config);
const pool = openPool(database.url, { max: 1, name: "doppel-credentials" });
try {
  process.stdout.write(await wanted(await openPostgresCredentials(pool)));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await pool.end();
  await database.close();
}

type Command = (credentials: Credentials) => Promise<string>;

function command(name: string, args: readonly string[]): Command | null {
  const [first, second] = args;
  if (name === "create" && isKind(first) && second !== undefined)
    return (credentials) => create(credentials, first, second);
  if (name === "list" && (first === undefined || isKind(first))) {
    const kinds: CredentialKind[] = first === undefined ? ["device", "app"] : [first];
    return (credentials) => list(credentials, kinds, second);
  }
  if (name === "revoke" && first !== undefined) return (credentials) => revoke(credentials, first);
  return null;
}

async function create(credentials: Credentials, kind: CredentialKind, subject: string): Promise<string> {
  if (kind === "device" && !deviceIdPattern.test(subject))
    throw new Error(`"${subject}" is no device id: 1 to 128 of a-z A-Z 0-9 : _ -`);
  const { credential, secret } = await credentials.create(kind, subject);
  return `${kind === "device" ? "Token" : "API key"} of ${subject} (${credential.id}), shown this once:\n${secret}\n`;
}

async function list(credentials: Credentials, kinds: readonly CredentialKind[], subject?: string): Promise<string> {
  const all = (await Promise.all(kinds.map((kind) => credentials.list(kind, subject)))).flat();
  if (all.length === 0) return "None.\n";
  return all
    .map(({ id, kind, subject: owner, createdAtMs, revokedAtMs }) => {
      const state = revokedAtMs === null ? "valid" : `revoked ${new Date(revokedAtMs).toISOString()}`;
      return `${id}  ${kind.padEnd(6)}  ${owner}  made ${new Date(createdAtMs).toISOString()}  ${state}\n`;
    })
    .join("");
}

async function revoke(credentials: Credentials, id: string): Promise<string> {
  if (!(await credentials.revoke(id))) throw new Error(`There is no valid credential ${id}. See: list`);
  return `Revoked ${id}. Connections that are open stay until they end; DELETE /v1/credentials/${id} ends them too.\n`;
}

function isKind(text: string | undefined): text is CredentialKind {
  return text === "device" || text === "app";
}
