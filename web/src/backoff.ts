/** First and longest wait before a new attempt, ms. */
const firstMs = 500;
const longestMs = 30_000;

/**
 * Ms to wait before attempt `attempt` (0 is the first after a loss): doubling, halved at random so that a restarted
 * server is not met by every browser at once. `random` is in [0, 1).
 */
export function backoffMs(attempt: number, random: number): number {
  const ceiling = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling * (0.5 + random / 2));
}
