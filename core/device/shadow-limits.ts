import type { Json, JsonObject } from "../json.ts";

/** AWS IoT quotas: a shadow's name is 1 to 64 of `[a-zA-Z0-9:_-]`. The classic shadow has no name: "" here. */
export const shadowNamePattern = /^[a-zA-Z0-9:_-]{1,64}$/;

/** Whether `name` can name a shadow: the pattern, or "" for the classic one. */
export function isShadowName(name: string): boolean {
  return name === "" || shadowNamePattern.test(name);
}

/** AWS IoT quotas: a client token is at most 64 bytes of UTF-8. */
export const clientTokenMaxBytes = 64;

const encoder = new TextEncoder();

export function utf8Length(text: string): number {
  return encoder.encode(text).length;
}

/** Bytes of both sections as JSON without spaces. Metadata, version and the names of the sections are not counted. */
export function stateBytes(state: { readonly desired?: JsonObject; readonly reported?: JsonObject }): number {
  let bytes = 0;
  if (state.desired !== undefined) bytes += utf8Length(JSON.stringify(state.desired));
  if (state.reported !== undefined) bytes += utf8Length(JSON.stringify(state.reported));
  return bytes;
}

export type SectionProblem = "tooDeep" | "invalidNode";

/**
 * What is wrong with a section (desired or reported) as it was sent, or null.
 * Depth: the section itself is the first level, each object or array in it one more. Never recurses beyond `maxDepth`.
 * An invalid node is a null inside an array (null removes a key; an array has none), or a number that JSON cannot
 * say again (1e999 is read as infinity).
 */
export function sectionProblem(section: JsonObject, maxDepth: number): SectionProblem | null {
  return problemIn(section, maxDepth, false);
}

function problemIn(value: Json, levels: number, inArray: boolean): SectionProblem | null {
  if (value === null) return inArray ? "invalidNode" : null;
  if (typeof value === "number") return Number.isFinite(value) ? null : "invalidNode";
  if (typeof value !== "object") return null;
  if (levels === 0) return "tooDeep";
  const isArray = Array.isArray(value);
  for (const below of isArray ? value : Object.values(value)) {
    const problem = problemIn(below, levels - 1, inArray || isArray);
    if (problem !== null) return problem;
  }
  return null;
}
