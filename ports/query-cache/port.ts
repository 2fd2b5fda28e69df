/**
 * Answers that were put together before. A key names all that the value depends on, so that a value never becomes wrong:
 * what changes asks under another key, and what nobody asks for goes by itself.
 *
 * Q1 `get` gives what was last set for the key, or null: the cache may lose anything at any time.
 * Q2 Neither call rejects: a cache that is away is empty.
 */
export interface QueryCache {
  get(key: string): Promise<string | null>;
  set(key: string, value: string): Promise<void>;
  /** Why it does not answer at the moment, for health; null: it does. */
  readonly away: string | null;
  close(): Promise<void>;
}
