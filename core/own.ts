/** The object's own value of `key`: a metric or shadow named "constructor" must not find Object's. */
export function own<T>(object: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
