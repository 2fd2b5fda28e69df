/** What the schemas' mappings share: that no field of a record is forgotten, and no key is lost. */

/** `true` where `Fields` are all the fields of `T`; else what `true` does not satisfy. */
export type Covered<T, Fields extends keyof T> =
  Exclude<keyof T, Fields> extends never ? true : { readonly missing: Exclude<keyof T, Fields> };

/** What is left of a record after all its known fields were taken out: nothing. @throws TypeError where there is more */
export function nothingLeft(rest: Readonly<Record<string, never>>): void {
  for (const field in rest) throw new TypeError(`the schema has no field "${field}"`);
}

/** Sets the property itself, also where it is named like one that every object has. */
export function putOwn<T>(object: Record<string, T>, key: string, value: T): void {
  if (key === "__proto__")
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  else object[key] = value;
}
