import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { testDatabase } from "./testing.ts";

describe("test databases", () => {
  test("each is empty and its own", async () => {
    const one = await testDatabase();
    const two = await testDatabase();
    onTestFinished(async () => void (await Promise.all([one.close(), two.close()])));
    for (const { url } of [one, two]) {
      const pool = new pg.Pool({ connectionString: url });
      await pool.query("create table thing (name text)");
      await pool.end();
    }
  });

  test("close cuts the sessions that are still open", async () => {
    const { url, close } = await testDatabase();
    const client = new pg.Client({ connectionString: url });
    const cut = new Promise<Error>((resolve) => client.on("error", resolve));
    await client.connect();
    await close();
    expect((await cut).message).toMatch(/terminat/i);
  });
});
