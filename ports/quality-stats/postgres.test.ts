import { expect, onTestFinished, test } from "vitest";
import { openPool } from "../postgres/pool.ts";
import { testDatabase } from "../postgres/testing.ts";
import { qualityStatsContract } from "./contract.ts";
import { noCounts } from "./port.ts";
import { openPostgresQualityStats } from "./postgres.ts";

qualityStatsContract("PostgreSQL", async () => {
  const { pool, close } = await openedPool();
  return { port: await openPostgresQualityStats(pool), close };
});

test("a minute of many partitions is one row once it is some minutes old", async () => {
  const { pool, close } = await openedPool();
  onTestFinished(close);
  const port = await openPostgresQualityStats(pool);
  const rules = [{ rule: "range", outcome: "flagged" as const, messages: 1 }];
  const row = { minuteMs: 0, type: "pump", region: "eu", counts: { ...noCounts, accepted: 1 }, rules };
  for (let number = 0; number < 12; number += 1)
    await port.add([row], { from: 0, to: 1, partition: `iot-telemetry/${number}` });
  await port.maintain({ mergeBeforeMs: 60_000, minutesBeforeMs: 0, hoursBeforeMs: 0 });
  const { rows } = await pool.query(
    "select accepted::int, (select count(*)::int from quality_rules_minutes) as rules from quality_minutes",
  );
  expect(rows).toEqual([{ accepted: 12, rules: 1 }]);
});

async function openedPool() {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 4 });
  return {
    pool,
    async close() {
      await pool.end();
      await database.close();
    },
  };
}
