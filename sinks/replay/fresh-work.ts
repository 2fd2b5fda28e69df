/** A replay into a new place: the sink itself, on tables of its own, whose progress says what it has taken. */
import type pg from "pg";
import type { SinkTarget } from "../target.ts";
import { beginAt } from "./place.ts";
import type { ReplayWork } from "./run.ts";

/**
 * @param finish after the last record; says what there is now
 * @param now epoch ms
 */
export function freshWork(
  target: SinkTarget,
  {
    pool,
    place,
    finish,
    now = Date.now,
  }: { pool: pg.Pool; place: string; finish: () => Promise<string>; now?: () => number },
): ReplayWork {
  const stored = target.storedIn ?? target.progressIn;
  const positions = new Map<string, number>();
  return {
    topics: target.topics,
    weigh: (item) => target.weigh(item),
    sinkProgress: null,
    ...(target.storedIn === undefined ? {} : { storedIn: target.storedIn }),
    async begin(ranges) {
      await beginAt(pool, target.name, ranges, place);
      for (const chore of target.chores ?? []) if (chore.first) await chore.run(now());
    },
    async take(items, { partition, from, to }) {
      const at = positions.get(partition) ?? (await target.progressIn(partition)) ?? from;
      positions.set(partition, Math.max(at, to));
      if (at >= to) return; // taken, and killed before that was noted
      const rest = items.filter(({ offset }) => offset >= at);
      await target.commit(rest, partition === "" ? { from: at, to } : { from: at, to, partition });
    },
    async finish(ranges) {
      await target.close?.();
      for (const { partition, from, to } of ranges)
        if (((await stored(partition)) ?? from) < to && from < to)
          throw new Error(`${target.name} has not stored everything of ${partition || "the log"} yet. Run it again.`);
      return finish();
    },
  };
}
