import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openPool } from "../ports/postgres/pool.ts";
import { testDatabase } from "../ports/postgres/testing.ts";
import { openPostgresSchemaRegistry } from "../ports/schema-registry/postgres.ts";

const script = join(import.meta.dirname, "schemas.ts");

function schemas(args: string[], env: Record<string, string> = {}): Promise<{ code: number | null; said: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...args], { env: { PATH: process.env.PATH, ...env } });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
    child.once("close", (code) => resolve({ code, said }));
  });
}

async function aDatabase() {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 1 });
  onTestFinished(async () => {
    await pool.end();
    await database.close();
  });
  return { url: database.url, registry: await openPostgresSchemaRegistry(pool) };
}

test("without a registry the schemas are held to the last released ones", async () => {
  const { code, said } = await schemas(["check"]);
  expect([code, said]).toEqual([0, expect.stringMatching(/they read what released version \d+ has written/)]);
});

test("registering tells the ids, and again the same ones", async () => {
  const { url } = await aDatabase();
  const first = await schemas(["register"], { DATABASE_URL: url });
  expect(first.code).toBe(0);
  expect(first.said).toContain("iot-telemetry-value has the id 1");
  expect(await schemas(["register"], { DATABASE_URL: url })).toEqual(first);
  const { code, said } = await schemas(["check", "--database-url", url]);
  expect([code, said]).toEqual([0, expect.stringContaining("dead-letter-value can take it")]);
});

test.each(["check", "register"])(
  "%s ends with 1 and a sentence when something else is registered there",
  async (verb) => {
    const { url, registry } = await aDatabase();
    await registry.register("iot-telemetry-value", '{"type":"record","name":"Order","fields":[]}');
    const { code, said } = await schemas([verb], { DATABASE_URL: url });
    expect(code).toBe(1);
    expect(said).toMatch(/iot-telemetry.* cannot read what (its|the) newest version .*has written: /);
  },
);

test.each([
  ["a registry that is away", ["register"], { SCHEMA_REGISTRY_URL: "http://127.0.0.1:1" }, 1, "does not answer"],
  ["no verb", [], {}, 2, "node scripts/schemas.ts check|register"],
  ["no place to register in", ["register"], {}, 2, "Neither SCHEMA_REGISTRY_URL nor DATABASE_URL is set"],
  ["an option that is none", ["check", "--colour"], {}, 2, "--colour is no option"],
] as [string, string[], Record<string, string>, number, string][])("%s is told", async (_, args, env, code, words) => {
  const ended = await schemas(args, env);
  expect([ended.code, ended.said]).toEqual([code, expect.stringContaining(words)]);
});
