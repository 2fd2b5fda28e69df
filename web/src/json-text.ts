import { isJsonObject, type Json, type JsonObject } from "../../core/json.ts";
import { jsonFault } from "./json-fault.ts";

export type JsonText<T> = { kind: "json"; value: T } | { kind: "broken"; message: string };

/** Reads what a person typed. A mistake is told with its line and column. */
export function readJson(text: string): JsonText<Json> {
  try {
    return { kind: "json", value: JSON.parse(text) as Json };
  } catch (error) {
    return { kind: "broken", message: mistake(text, (error as Error).message) };
  }
}

/** As `readJson`, but only an object will do: a shadow's section is one. */
export function readJsonObject(text: string): JsonText<JsonObject> {
  const read = readJson(text);
  if (read.kind === "broken") return read;
  if (!isJsonObject(read.value)) {
    return { kind: "broken", message: 'This needs to be an object: {"name": value, …}.' };
  }
  return { kind: "json", value: read.value as JsonObject };
}

function mistake(text: string, message: string): string {
  if (text.trim() === "") return "This is empty. Write {} for nothing.";
  const fault = jsonFault(text);
  if (!fault) return message;
  const before = text.slice(0, fault.offset).split("\n");
  return `Line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: expected ${fault.expected}.`;
}
