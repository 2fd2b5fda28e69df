import { RowsRefused } from "./port.ts";

/** Stores; PostgreSQL's refusal of the data itself, which would be the same later, is told as `RowsRefused`. */
export async function tellingRefusal<T>(store: () => Promise<T>): Promise<T> {
  try {
    return await store();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new RowsRefused(`PostgreSQL refuses a row of the batch: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * SQLSTATE classes 22 (data), 23 (constraints) and 54 (limits); but two writers of one row, or of one and what it belongs to,
 * may meet in time (23505, 23503).
 */
function isRefusal(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^(22...|23...|54...)$/.test(code) && code !== "23505" && code !== "23503";
}
