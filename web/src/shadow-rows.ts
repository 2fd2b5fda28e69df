import { isJsonObject, type Json, type JsonObject } from "../../core/json.ts";

/** One line of the side-by-side shadow: a leaf with both values, or a branch that heads the lines below it. */
export type ShadowRow = {
  /** Key of the row: the names from the root, as JSON, since a name may hold any character. */
  path: string;
  name: string;
  depth: number;
  branch: boolean;
  desired: Json | undefined;
  reported: Json | undefined;
  /** Desired is there and reported is not the same: the device still has to follow. */
  differs: boolean;
};

/**
 * Lays desired and reported side by side. Differences follow AWS's rule for the delta: every key of desired whose
 * value differs from reported's, arrays whole; what is only reported is no difference.
 */
export function shadowRows(desired: JsonObject | undefined, reported: JsonObject | undefined): ShadowRow[] {
  return rowsBelow(desired, reported, []);
}

/** Leaves that the device still has to follow. */
export function differences(rows: ShadowRow[]): number {
  return rows.filter((row) => row.differs && !row.branch).length;
}

function rowsBelow(desired: JsonObject | undefined, reported: JsonObject | undefined, above: string[]): ShadowRow[] {
  const names = new Set([...Object.keys(desired ?? {}), ...Object.keys(reported ?? {})]);
  return [...names].flatMap((name) => {
    const wanted = own(desired, name);
    const told = own(reported, name);
    const path = [...above, name];
    const row = { path: JSON.stringify(path), name, depth: above.length };
    if (opens(wanted) && opens(told) && (isJsonObject(wanted) || isJsonObject(told))) {
      const below = rowsBelow(asObject(wanted), asObject(told), path);
      if (below.length > 0) {
        const differs = below.some((child) => child.differs);
        return [{ ...row, branch: true, desired: undefined, reported: undefined, differs }, ...below];
      }
    }
    const differs = wanted !== undefined && !sameJson(wanted, told);
    return [{ ...row, branch: false, desired: wanted, reported: told, differs }];
  });
}

function own(object: JsonObject | undefined, name: string): Json | undefined {
  return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
}

/** A side that can be shown as lines of its own: an object, or nothing at all. */
function opens(value: Json | undefined): boolean {
  return value === undefined || isJsonObject(value);
}

function asObject(value: Json | undefined): JsonObject | undefined {
  return isJsonObject(value) ? (value as JsonObject) : undefined;
}

/** Equal as JSON values: order of keys does not matter. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, at) => sameJson(item, b[at]))
    );
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && sameJson(a[name] as Json, b[name] as Json))
  );
}
