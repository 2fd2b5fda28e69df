/**
 * Committing, and what of a batch the storage refuses for good: it is set aside, with its reason, and the rest goes on.
 *
 * A1 Set aside first, and once however often the batch comes: a crash before the commit loses neither.
 * A2 Only `RowsRefused` sets aside. Whatever else fails, even for good (a configuration, another's archive), says nothing
 *    of a record: the batch waits.
 * A3 Where the target does not tell what is refused, the batch is halved until the record stands alone. Each half is
 *    committed with its own progress.
 */
import type { SinkDeadLetters } from "../ports/sink-dead-letters/port.ts";
import { type Progress, RowsRefused } from "../ports/time-series/port.ts";
import type { LogItem } from "./consumer.ts";
import type { Refusals, SinkTarget } from "./target.ts";

export function withSetAside(
  target: SinkTarget,
  letters: Pick<SinkDeadLetters, "add">,
  now: () => number = Date.now,
): SinkTarget {
  const { name, refusals } = target;

  const add = (refused: Refusals["refused"], { partition = "" }: Progress) =>
    letters.add(refused.map((letter) => ({ ...letter, sink: name, partition, atMs: now() })));

  async function commit(items: readonly LogItem[], progress: Progress): Promise<void> {
    try {
      await target.commit(items, progress);
    } catch (error) {
      if (!(error instanceof RowsRefused) || items.length === 0) throw error;
      if (refusals !== undefined) await commitKept(await refusals(items), progress, error);
      else await commitHalves(items, progress, error);
    }
  }

  async function commitKept({ refused, kept }: Refusals, progress: Progress, error: RowsRefused): Promise<void> {
    if (refused.length === 0) throw error;
    await add(refused, progress);
    await target.commit(kept, progress);
  }

  async function commitHalves(items: readonly LogItem[], progress: Progress, error: RowsRefused): Promise<void> {
    if (items.length === 1) {
      await add([letterOf(items[0]!, error.message)], progress);
      return target.commit([], progress);
    }
    const half = items.length >> 1;
    const between = items[half]!.offset;
    await commit(items.slice(0, half), { ...progress, to: between });
    await commit(items.slice(half), { ...progress, from: between });
  }

  return { ...target, commit };
}

function letterOf({ offset, entry }: LogItem, reason: string): Refusals["refused"][number] {
  return { offset, part: "", device: entry.device, reason, content: JSON.stringify(entry.record) };
}
