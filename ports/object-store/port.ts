/**
 * Objects under keys with slashes ("telemetry/year=2026/…/p3-0-5000.parquet"), in a bucket or a folder.
 *
 * O1 An object is there whole or not at all, and stays there once `put` has resolved.
 * O2 `put` of a key that is taken changes nothing and says so: of two writers, one wins.
 */
export interface ObjectStore {
  /** Where it is, for people: "s3://bucket/prefix" or a folder. */
  readonly place: string;
  put(key: string, body: Uint8Array): Promise<"stored" | "exists">;
  /** Whatever was there before is gone: for what is derived and may be newer, such as a manifest. */
  replace(key: string, body: Uint8Array): Promise<void>;
  /** @throws ObjectMissing */
  get(key: string): Promise<Uint8Array>;
  /** Bytes from `start` (inclusive) to `end` (exclusive). @throws ObjectMissing */
  getRange(key: string, start: number, end: number): Promise<Uint8Array>;
  /** Null: it is not there. */
  size(key: string): Promise<number | null>;
  /** A missing object is no error. */
  delete(key: string): Promise<void>;
  /** In order of their keys. */
  list(prefix: string): AsyncIterable<{ readonly key: string; readonly bytes: number }>;
  /** Objects under `prefix` are deleted by the store after so many days (null: never), where it can. */
  setLifecycle(
    prefix: string,
    days: number | null,
  ): Promise<{ readonly kind: "set" } | { readonly kind: "unsupported"; readonly detail: string }>;
  close(): Promise<void>;
}

export class ObjectMissing extends Error {
  override readonly name = "ObjectMissing";
  readonly code = "OBJECT_MISSING";
  readonly retry = "never";
  constructor(place: string, key: string) {
    super(`${place} has no object ${key}.`);
  }
}

/** The store cannot be reached, is full, or refuses us: nothing was stored; try again later. */
export class StoreAway extends Error {
  override readonly name = "StoreAway";
  readonly code = "STORE_AWAY";
  readonly retry = "later";
}
