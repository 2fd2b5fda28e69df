import { formatJson } from "../format.ts";
import { readJson } from "../json-text.ts";

/** A payload as one reads it: JSON laid out, anything else as it came. */
export function prettyPayload(payload: string): string {
  const read = readJson(payload);
  return read.kind === "json" && exact(payload) ? JSON.stringify(read.value, null, 2) : payload;
}

/** The beginning of a payload on one line. */
export function firstOf(payload: string, characters: number): string {
  const read = readJson(payload);
  const line = read.kind === "json" && exact(payload) ? formatJson(read.value) : payload.replace(/\s+/g, " ").trim();
  return line.length > characters ? `${line.slice(0, characters - 1)}…` : line;
}

export type Correction =
  /** The same as it came: `payload` null sends that, byte by byte. */
  { kind: "unchanged" } | { kind: "corrected"; payload: string } | { kind: "broken"; message: string };

/** What an edited text comes to. Layout alone is no correction, and what is no JSON is told while one types. */
export function correctionOf(original: string, text: string): Correction {
  if (text === original || text === prettyPayload(original)) return { kind: "unchanged" };
  const read = readJson(text);
  if (read.kind === "broken") return { kind: "broken", message: read.message };
  return { kind: "corrected", payload: exact(text) ? JSON.stringify(read.value) : text };
}

/** Numbers that JavaScript cannot hold would come out changed when written anew. */
function exact(text: string): boolean {
  const numbers = text.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g) ?? [];
  return numbers.every((number) => number.replace(/\D/g, "").length <= 15);
}
