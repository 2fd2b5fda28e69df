/**
 * What a message schema may be made of, so that compiling it and judging by it always ends soon: it comes from outside,
 * and it is run for each message in a thread that nobody can stop.
 */
import { isJsonObject, type Json, type JsonObject, nestsDeeper } from "../../core/json.ts";
import { patternProblem } from "./regex-limits.ts";

export const maxSchemaBytes = 32_768;
const maxDepth = 24;
/** Subschemas, each counted as often as it is referred to. */
const maxSubschemas = 5_000;

/** As `ajv-formats` knows them, in its fast form, whose expressions take one way through a text. */
export const formats = [
  "date",
  "time",
  "date-time",
  "duration",
  "uuid",
  "ipv4",
  "ipv6",
  "hostname",
  "email",
  "uri",
] as const;

/** Keywords whose value is a schema, a list of them, or schemas by name. */
const oneSchema = ["additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"];
const moreOneSchema = ["unevaluatedProperties", "unevaluatedItems", "additionalItems"];
const schemaLists = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
const schemaMaps = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions", "dependencies"];
const refused = [
  "$anchor",
  "$dynamicAnchor",
  "$dynamicRef",
  "$recursiveAnchor",
  "$recursiveRef",
  "$vocabulary",
  "$async",
  "nullable",
];
const definitions = new Set(["$defs", "definitions"]);

/** Every problem with the schema, as sentences; none if it may be compiled. */
export function schemaProblems(schema: Json): string[] {
  if (!isJsonObject(schema)) return ['A message schema is an object, such as {"type": "object"}.'];
  if (nestsDeeper(schema, maxDepth)) return [`The schema is nested deeper than ${maxDepth} levels.`];
  const bytes = new TextEncoder().encode(JSON.stringify(schema)).length;
  if (bytes > maxSchemaBytes) return [`The schema has ${bytes} bytes; at most ${maxSchemaBytes} are allowed.`];
  const problems: string[] = [];
  const visit = (each: JsonObject, path: string) => {
    problems.push(...ownProblems(each, path));
    for (const [keyword, , child, place] of subschemas(each))
      if (isJsonObject(child)) visit(child, `${path}/${keyword}${place}`);
  };
  visit(schema, "#");
  if (problems.length === 0) {
    const expanded = withoutReferences(schema);
    if (expanded.kind === "refused") problems.push(expanded.problem);
  }
  return problems;
}

/** The schema with each `$ref` replaced by what it refers to; for a schema that has passed the other limits. */
export function withoutReferences(
  root: JsonObject,
): { readonly kind: "schema"; readonly schema: Json } | { readonly kind: "refused"; readonly problem: string } {
  let count = 0;
  let problem: string | null = null;
  const expand = (schema: Json, within: readonly string[]): Json => {
    count += 1;
    if (count > maxSubschemas)
      problem ??= `The schema has more than ${maxSubschemas} parts, each counted as often as it is referred to.`;
    if (problem !== null || !isJsonObject(schema)) return schema;
    const plain: JsonObject = {};
    for (const [keyword, value] of Object.entries(schema)) if (!definitions.has(keyword)) plain[keyword] = value;
    for (const [keyword, key, child] of subschemas(plain)) {
      const expanded = expand(child, within);
      if (key === null) plain[keyword] = expanded;
      else if (typeof key === "number") plain[keyword] = (plain[keyword] as Json[]).with(key, expanded);
      else plain[keyword] = { ...(plain[keyword] as JsonObject), [key]: expanded };
    }
    const { $ref, ...rest } = plain;
    if (typeof $ref !== "string") return plain;
    if (within.includes($ref)) {
      problem ??= `The schema refers to ${$ref} from within itself. A message is flat: write it out.`;
      return plain;
    }
    const target = targetOf(root, $ref);
    if (target === undefined) {
      problem ??= `The schema refers to ${$ref}, which is not there.`;
      return plain;
    }
    const referred = expand(target, [...within, $ref]);
    return Object.keys(rest).length === 0
      ? referred
      : { allOf: [referred, ...((rest.allOf as Json[]) ?? [])], ...without(rest, "allOf") };
  };
  const schema = expand(root, []);
  return problem === null ? { kind: "schema", schema } : { kind: "refused", problem };
}

function ownProblems(schema: JsonObject, path: string): string[] {
  const problems: string[] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    if (refused.includes(keyword)) problems.push(`${path}: ${keyword} is not allowed.`);
    if (keyword === "$id" && path !== "#") problems.push(`${path}: $id is allowed at the root only.`);
    if (keyword === "$ref" && (typeof value !== "string" || !/^#\/(\$defs|definitions)\/[^%]+$/.test(value)))
      problems.push(
        `${path}: $ref is ${JSON.stringify(value).slice(0, 60)} but has to name a part of the schema itself: #/$defs/….`,
      );
    if (keyword === "pattern" && typeof value === "string")
      problems.push(...[patternProblem(value)].filter((each) => each !== null));
    if (keyword === "format" && !(formats as readonly unknown[]).includes(value))
      problems.push(
        `${path}: the format ${JSON.stringify(value).slice(0, 60)} is unknown; there are ${formats.join(", ")}.`,
      );
    if (keyword === "patternProperties" && isJsonObject(value))
      problems.push(
        ...Object.keys(value)
          .map(patternProblem)
          .filter((each) => each !== null),
      );
    if (isJsonObject(value) && Object.hasOwn(value, "__proto__")) problems.push(`${path}: "__proto__" is no name.`);
  }
  return problems;
}

/** Each subschema: its keyword, its key or place there (null if it is the keyword's value itself), and its path's end. */
function* subschemas(
  schema: JsonObject,
): Generator<[keyword: string, key: string | number | null, child: Json, place: string]> {
  for (const [keyword, value] of Object.entries(schema)) {
    if (schemaLists.includes(keyword) && Array.isArray(value))
      for (const [at, child] of value.entries()) yield [keyword, at, child, `/${at}`];
    else if (oneSchema.includes(keyword) || moreOneSchema.includes(keyword)) yield [keyword, null, value, ""];
    else if (schemaMaps.includes(keyword) && isJsonObject(value))
      for (const [key, child] of Object.entries(value))
        if (!Array.isArray(child)) yield [keyword, key, child, `/${key}`];
  }
}

function targetOf(root: JsonObject, reference: string): Json | undefined {
  let found: Json | undefined = root;
  for (const part of reference.slice(2).split("/")) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    found = isJsonObject(found) && Object.hasOwn(found, key) ? found[key] : undefined;
  }
  return found;
}

function without(object: JsonObject, key: string): JsonObject {
  const { [key]: _, ...rest } = object;
  return rest;
}
