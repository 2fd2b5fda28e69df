/**
 * `npm run schemas -- check`: can this release's schemas read what the last released version, and the newest registered
 * one, have written (BACKWARD)? `npm run schemas -- register`: the same, and then they are the newest. Run it at each
 * deployment, before anything else of the release starts. Ends with 1 when they cannot, 2 when it was called wrongly.
 */
import { openPool } from "../ports/postgres/pool.ts";
import { logSchemas, subjectOf } from "../ports/record-codec/log-schemas.ts";
import { incompatibilities, releasedSchemas } from "../ports/record-codec/released.ts";
import { logTopics } from "../ports/record-log/port.ts";
import type { SchemaRegistry } from "../ports/schema-registry/port.ts";
import { readRoleConfig } from "../role-config.ts";
import { openRoleSchemas } from "../role-parts.ts";
import { readSecretFile } from "../secret-files.ts";

const [verb, ...rest] = process.argv.slice(2);
const asked = verb === "check" || verb === "register";
const read = readRoleConfig("schemas", process.env, asked ? rest : ["--help"], readSecretFile);
if (read.kind === "help") {
  const help = !asked && !["--help", "-h"].includes(verb ?? "");
  (help ? process.stderr : process.stdout).write(read.text);
  process.exit(help ? 2 : 0);
}
if (read.kind === "problems") {
  process.stderr.write(`The schemas cannot be looked at:\n${read.problems.map((each) => `  - ${each}\n`).join("")}`);
  process.exit(2);
}
const { databaseUrl, schemaRegistryUrl } = read.config;
const nowhere = databaseUrl === "" && schemaRegistryUrl === "";
if (verb === "register" && nowhere) {
  process.stderr.write(
    "Neither SCHEMA_REGISTRY_URL nor DATABASE_URL is set: set where the schemas are to be registered.\n",
  );
  process.exit(2);
}

const pool =
  schemaRegistryUrl === "" && databaseUrl !== "" ? openPool(databaseUrl, { max: 1, name: "doppel-schemas" }) : null;
try {
  const last = releasedSchemas().at(-1);
  const problems = last === undefined ? [] : incompatibilities(logSchemas, last.schemas);
  for (const problem of problems)
    refuse(`${problem}. It cannot read what released version ${last?.version} has written.`);
  if (problems.length === 0) say(`they read what released version ${last?.version} has written`);
  if (problems.length === 0 && !nowhere) await atRegistry(await openRoleSchemas(read.config, pool!));
} catch (error) {
  refuse((error as Error).message);
} finally {
  await pool?.end();
}

async function atRegistry(registry: SchemaRegistry): Promise<void> {
  for (const topic of logTopics) {
    const subject = subjectOf(topic);
    if (verb === "register") {
      say(`${subject} has the id ${await registry.register(subject, logSchemas[topic])}`);
      continue;
    }
    const found = await registry.check(subject, logSchemas[topic]);
    if (found.kind === "compatible") say(`${subject} can take it`);
    else refuse(`schemas/${topic}.avsc cannot read what the newest version of ${subject} has written: ${found.detail}`);
  }
}

function say(line: string): void {
  process.stdout.write(`schemas: ${line}\n`);
}

function refuse(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}
