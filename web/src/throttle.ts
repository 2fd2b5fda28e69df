/** Calls `act` at most once per `everyMs`: soon after the first call, and once more if calls came meanwhile. */
export function throttle(act: () => void, everyMs: number): { call: () => void; cancel: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lastMs = Number.NEGATIVE_INFINITY;
  return {
    call: () => {
      if (timer !== undefined) return;
      const waitMs = Math.max(0, lastMs + everyMs - performance.now());
      timer = setTimeout(() => {
        timer = undefined;
        lastMs = performance.now();
        act();
      }, waitMs);
    },
    cancel: () => clearTimeout(timer),
  };
}
