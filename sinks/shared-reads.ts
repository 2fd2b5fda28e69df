/** Lets consumers that stand near each other share what one of them has read: blocks are decoded once, not once each. */
import type { EventLogReader } from "../ports/event-log/port.ts";

type Read = Awaited<ReturnType<EventLogReader["read"]>>;
type Window = { readonly from: number; readonly read: Promise<Read>; next: number; isOver: boolean };

/** @param windows how many of the newest reads are kept */
export function sharedReads(log: Pick<EventLogReader, "read">, windows = 4): Pick<EventLogReader, "read"> {
  let kept: Window[] = [];

  async function readFresh(offset: number, atMost: number): Promise<Read> {
    // While it is under way it serves exactly its offset; afterwards all that it holds.
    const window: Window = { from: offset, read: log.read(offset, atMost), next: offset + 1, isOver: false };
    kept = [...kept, window].slice(-windows);
    try {
      const read = await window.read;
      window.next = read.next;
      window.isOver = true;
      if (read.entries.length === 0) kept = kept.filter((other) => other !== window);
      return read;
    } catch (error) {
      kept = kept.filter((other) => other !== window);
      throw error;
    }
  }

  async function read(offset: number, atMost: number): Promise<Read> {
    const window = kept.find(({ from, next }) => offset >= from && offset < next);
    if (window === undefined) return readFresh(offset, atMost);
    const { isOver } = window;
    const { entries, next } = await window.read;
    const known = offset === window.from ? entries : entries.filter((item) => item.offset >= offset);
    if (!isOver || known.length >= atMost) return { entries: known, next };
    // The log has gone on since: who took only what others have read would stay behind them by a step.
    const more = await read(next, atMost - known.length);
    return { entries: known.concat(more.entries), next: more.next };
  }

  return { read };
}
