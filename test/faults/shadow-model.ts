/** The rules of a shadow's state, written a second time and otherwise than in core/device: the checker's own opinion. */
import { isDeepStrictEqual } from "node:util";
import { isJsonObject, type Json, type JsonObject } from "../../core/json.ts";

/** RFC 7396's algorithm on flat paths: each leaf of the state by its path. */
type Leaves = Map<string, Json>;

export class ShadowModel {
  #sections: { desired: Leaves; reported: Leaves } = { desired: new Map(), reported: new Map() };

  update(section: "desired" | "reported", patch: JsonObject): void {
    for (const [path, value] of leavesOf(patch)) {
      for (const known of this.#sections[section].keys())
        if (isWithin(known, path) || isWithin(path, known)) this.#sections[section].delete(known);
      if (value !== null) this.#sections[section].set(path, value);
    }
  }

  matches(section: "desired" | "reported", state: JsonObject | undefined): boolean {
    return sameLeaves(this.#sections[section], leavesOf(state ?? {}));
  }

  /** Desired leaves that are not reported so. */
  matchesDelta(delta: JsonObject | undefined): boolean {
    const { desired, reported } = this.#sections;
    const pending = new Map([...desired].filter(([path, value]) => !isDeepStrictEqual(reported.get(path), value)));
    return sameLeaves(pending, leavesOf(delta ?? {}));
  }

  toString(): string {
    const { desired, reported } = this.#sections;
    return JSON.stringify({ desired: Object.fromEntries(desired), reported: Object.fromEntries(reported) });
  }
}

/** Keys of the load hold no "/". Empty objects are no leaves: the load sends none. */
function leavesOf(state: JsonObject, prefix = ""): Leaves {
  return new Map(
    Object.entries(state).flatMap(([key, value]): [string, Json][] =>
      isJsonObject(value) ? [...leavesOf(value, `${prefix}${key}/`)] : [[`${prefix}${key}`, value]],
    ),
  );
}

function isWithin(path: string, other: string): boolean {
  return path === other || path.startsWith(`${other}/`);
}

function sameLeaves(one: Leaves, other: Leaves): boolean {
  return one.size === other.size && [...one].every(([path, value]) => isDeepStrictEqual(other.get(path), value));
}
