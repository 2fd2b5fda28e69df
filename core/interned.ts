/**
 * One copy of each of many equal values, for what a million twins have in common. Only memory depends on it, never a
 * result: values that are too many, because someone makes them up, are forgotten together, and it begins anew.
 */
export class Interned<T> {
  readonly #values = new Map<string, T>();
  readonly #maxSize: number;
  #size = 0;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** The value that was given first for this key, which is `value` if none was; `size` counts towards the bound. */
  of(key: string, value: T, size = 1): T {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    this.#size += size;
    if (this.#size > this.#maxSize) {
      this.#values.clear();
      this.#size = size;
    }
    this.#values.set(key, value);
    return value;
  }
}
