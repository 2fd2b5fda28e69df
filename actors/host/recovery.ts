import { evolve } from "../../core/device/evolve.ts";
import { newTwin } from "../../core/device/twin.ts";
import type { EventLog } from "../../ports/event-log/port.ts";
import type { TwinStore } from "../../ports/twin-store/port.ts";
import { newResident, type Resident } from "./residents.ts";

/** The log's tail as twins: what a start brings back into memory. */
export type Recovered = {
  readonly residents: Map<string, Resident>;
  /** The log's end: where the next record goes. */
  readonly end: number;
  readonly replayedRecords: number;
};

const chunk = 20_000;

/**
 * Folds the records that no checkpoint has into their twins, by the same `evolve` as live.
 * A checkpoint can be ahead of the place where the replay starts: what it includes is passed over.
 */
export async function recover(
  log: EventLog,
  store: TwinStore,
  progress: (replayed: number, total: number) => void,
): Promise<Recovered> {
  const residents = new Map<string, Resident>();
  const end = await log.end();
  const from = Math.max(await store.replayFrom(), await log.start());
  let replayedRecords = 0;
  for (let offset = from; offset < end; ) {
    const { entries, next } = await log.read(offset, chunk);
    if (next === offset) break;
    const missing = new Set<string>();
    for (const { entry } of entries) if (!residents.has(entry.device)) missing.add(entry.device);
    const checkpoints = await store.load([...missing]);
    for (const id of missing) {
      const checkpoint = checkpoints.get(id);
      residents.set(id, newResident(checkpoint?.twin ?? newTwin(id), checkpoint?.nextOffset ?? 0, 0));
    }
    for (const { offset: at, entry } of entries) {
      const resident = residents.get(entry.device)!;
      if (at < resident.includes) continue;
      resident.twin = evolve(resident.twin, entry.record);
      resident.includes = at + 1;
      if (resident.dirtyFrom < 0) resident.dirtyFrom = at;
      replayedRecords += 1;
    }
    offset = next;
    progress(next - from, end - from);
  }
  return { residents, end, replayedRecords };
}
