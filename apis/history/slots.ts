/** At most so much at a time: what comes more waits its turn, first come, first served. */
export type Slots = <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>;

export function openSlots(count: number): Slots {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (work, signal) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      // Who has gone meanwhile costs nothing more.
      signal.throwIfAborted();
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
