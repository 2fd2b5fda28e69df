import { isDatabaseAway } from "../ports/postgres/errors.ts";
import { StaleProgress } from "../ports/time-series/port.ts";

/**
 * Whether the error says that a sink's storage is away or full, so that later it may work: PostgreSQL's own errors, and
 * those of other storages that say so. That another writer was quicker (`StaleProgress`) is an answer.
 */
export function isStorageAway(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof StaleProgress) return false;
  return isDatabaseAway(error) || isExhausted(error) || (error as { retry?: unknown }).retry === "later";
}

/** SQLSTATE class 53: a full disk, too many connections, no memory. */
function isExhausted(error: Error): boolean {
  return /^53...$/.test(String((error as { code?: unknown }).code));
}
