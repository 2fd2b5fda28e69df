/** Keys of objects: parts joined by slashes, none of them empty or a step up, so that every store can hold them. */

/** @throws RangeError */
export function checkKey(key: string): string {
  const bad = key.split("/").some((part) => part === "" || part === "." || part === ".." || part.includes("\0"));
  if (bad || key.startsWith(".")) {
    throw new RangeError(`"${key}" is no key of an object: it needs parts like telemetry/year=2026/a.parquet.`);
  }
  return key;
}

/** The order of keys in every store: that of their UTF-8. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
