/**
 * Sinks that count or fold cannot take a record twice. They are rebuilt in a schema of the replay's own, which then takes
 * the old tables' place in one transaction: whoever reads sees the old ones or the new ones.
 */
import type pg from "pg";
import { inTransaction } from "../../ports/time-series/sink-offsets.ts";
import type { ReplayRange } from "./position.ts";
import type { ReplayWork } from "./run.ts";

/**
 * @param into the work on the schema
 * @param exchange moves what was rebuilt, in a transaction on the running system's tables; says what it did
 */
export function rebuiltWork(
  into: ReplayWork,
  {
    pool,
    schema,
    sinkProgress,
    check = () => {},
    exchange,
    forget,
  }: {
    pool: pg.Pool;
    schema: string;
    sinkProgress: ReplayWork["sinkProgress"];
    /** @throws when the ranges do not do */
    check?: (ranges: readonly ReplayRange[]) => void;
    exchange: (client: pg.PoolClient, ranges: readonly ReplayRange[]) => Promise<string>;
    /** Done once, it must not be done again with an empty schema: the replay is forgotten with it. */
    forget: (client: pg.PoolClient) => Promise<void>;
  },
): ReplayWork {
  return {
    ...into,
    sinkProgress,
    async begin(ranges) {
      check(ranges);
      await into.begin(ranges);
    },
    async finish(ranges) {
      await into.finish(ranges);
      return inTransaction(pool, async (client) => {
        await client.query("set local lock_timeout = '30s'");
        const said = await exchange(client, ranges);
        await forget(client);
        await client.query(`drop schema ${schema} cascade`);
        return said;
      });
    },
  };
}
