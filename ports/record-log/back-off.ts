export type BackOff = { readonly firstMs: number; readonly maxMs: number };

/** The pause after the `failures`-th failure in a row (1 for the first): it doubles up to `maxMs`. */
export function pauseAfter(failures: number, { firstMs, maxMs }: BackOff): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
}

/** Resolves after that many ms, or as soon as `cut` aborts. Keeps the process alive no longer than `cut` says. */
export function pause(ms: number, cut: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (cut.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      cut.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    cut.addEventListener("abort", end);
  });
}
