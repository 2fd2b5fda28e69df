/** Forgets what nobody needs any more of the embedded log; Kafka forgets by itself, tables by their sinks' chores. */
import type { EventLogReader } from "../ports/event-log/port.ts";
import type { TwinStore } from "../ports/twin-store/port.ts";
import type { SinkTarget } from "./target.ts";

export type TrimmedLog = {
  readonly log: Pick<EventLogReader, "trim">;
  readonly twins: Pick<TwinStore, "replayFrom">;
  readonly sinks: readonly Pick<SinkTarget, "progress" | "storedIn">[];
};

/** The log keeps whatever a sink has not stored or a start would replay, however old it is; gives how many batches went. */
export async function trimLog({ log, twins, sinks }: TrimmedLog, keepMs: number, nowMs: number): Promise<number> {
  const stored = sinks.map(async ({ progress, storedIn }) =>
    storedIn === undefined ? progress() : ((await storedIn("")) ?? 0),
  );
  const needed = await Promise.all([...stored, twins.replayFrom()]);
  return log.trim({ offset: Math.min(...needed), epochMs: nowMs - keepMs });
}
