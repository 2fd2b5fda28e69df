/**
 * Whether what fits an older schema fits a newer one too. Compares keyword by keyword, and says of each that could refuse
 * what was taken before. What cannot be compared so is a difference: it errs to that side only.
 * Both schemas are without references (`withoutReferences`), so that equal parts mean the same.
 */
import { isJsonObject, type Json, type JsonObject } from "../../core/json.ts";
import { own } from "../../core/own.ts";
import { tameRegExp } from "./regex-limits.ts";

/** A sentence for each place where the newer schema may refuse what fits the older one. */
export function schemaDifferences(older: Json, newer: Json, path = "message"): string[] {
  if (newer === true || older === false || equal(older, newer)) return [];
  if (newer === false) return [`${path} is not allowed any more`];
  if (!isJsonObject(newer)) return [`${path} cannot be compared`];
  const old: JsonObject = isJsonObject(older) ? older : {};
  const found: string[] = [];
  for (const [keyword, value] of Object.entries(newer)) {
    if (ignored.has(keyword) || equal(old[keyword], value)) continue;
    const compare = conditions.has(keyword) ? conditionOf : (own(comparisons, keyword) ?? cannotTell);
    found.push(...compare({ old, new: newer, keyword, path }));
  }
  found.push(...propertyDifferences(old, newer, path));
  if (newer.unevaluatedProperties !== undefined || newer.unevaluatedItems !== undefined)
    found.push(`${path} has an unevaluated keyword and was changed, which cannot be compared`);
  return [...new Set(found)];
}

type Compared = { readonly old: JsonObject; readonly new: JsonObject; readonly keyword: string; readonly path: string };
type Comparison = (compared: Compared) => string[];

/** They refuse nothing, or are looked at together with `properties`, or at the end. */
const ignored = new Set(
  "$schema $id $comment $defs definitions title description default examples deprecated readOnly writeOnly properties patternProperties additionalProperties unevaluatedProperties unevaluatedItems".split(
    " ",
  ),
);

const atMost = bound((older, newer) => older <= newer);
const atLeast = bound((older, newer) => older >= newer);

const comparisons: Record<string, Comparison> = {
  type: ({ old, new: newer, path }) => {
    const lost = typesOf(old).filter((type) => !typesOf(newer).includes(type));
    return lost.length === 0 ? [] : [`${path} may not be ${lost.join(" or ")} any more`];
  },
  enum: ({ old, new: newer, path }) => lostValues(old, newer.enum as Json[], path),
  const: ({ old, new: newer, path }) => lostValues(old, [newer.const as Json], path),
  maximum: ifPossible("number", atMost),
  exclusiveMaximum: ifPossible("number", atMost),
  minimum: ifPossible("number", atLeast),
  exclusiveMinimum: ifPossible("number", atLeast),
  multipleOf: ifPossible("number", ({ old, new: newer, path }) => {
    const [before, now] = [old.multipleOf, newer.multipleOf] as [unknown, number];
    const wider = Number.isInteger(before) && Number.isInteger(now) && (before as number) % now === 0;
    return wider ? [] : [`${path} must be a multiple of ${now} now`];
  }),
  maxLength: ifPossible("string", atMost),
  minLength: ifPossible("string", atLeast),
  pattern: ifPossible("string", cannotTell),
  format: ifPossible("string", cannotTell),
  maxProperties: ifPossible("object", atMost),
  minProperties: ifPossible("object", atLeast),
  propertyNames: ifPossible("object", cannotTell),
  dependentRequired: ifPossible("object", cannotTell),
  dependentSchemas: ifPossible("object", cannotTell),
  dependencies: ifPossible("object", cannotTell),
  required: ifPossible("object", ({ old, new: newer, path }) => {
    const before = Array.isArray(old.required) ? old.required : [];
    return (newer.required as Json[])
      .filter((name) => !before.includes(name))
      .map((name) => `${path}/${String(name)} is required now`);
  }),
  allOf: ({ old, new: newer, path }) => {
    const parts: Json[] = [old, ...(Array.isArray(old.allOf) ? old.allOf : [])];
    return (newer.allOf as Json[]).flatMap((part) =>
      parts.some((before) => schemaDifferences(before, part, path).length === 0)
        ? []
        : schemaDifferences(old, part, path),
    );
  },
  anyOf: ({ old, new: newer, path }) => {
    const ways = newer.anyOf as Json[];
    const isTaken = (before: Json) => ways.some((way) => schemaDifferences(before, way, path).length === 0);
    if (isTaken(old) || (Array.isArray(old.anyOf) && old.anyOf.every(isTaken))) return [];
    return [`${path} has fewer ways (anyOf) than before`];
  },
};

const conditions = new Set(["if", "then", "else"]);

/** Properties by each name that either schema knows, and by any other name. */
function propertyDifferences(old: JsonObject, newer: JsonObject, path: string): string[] {
  const about = ["properties", "patternProperties", "additionalProperties"];
  if (!typesOf(old).includes("object") || about.every((keyword) => equal(old[keyword], newer[keyword]))) return [];
  if (!equal(old.patternProperties ?? {}, newer.patternProperties ?? {}))
    return [`${path} has other patternProperties than before, which cannot be compared`];
  const patterns = Object.keys((newer.patternProperties ?? {}) as JsonObject);
  const [before, now] = [old.properties, newer.properties].map((each) => (isJsonObject(each) ? each : {})) as [
    JsonObject,
    JsonObject,
  ];
  const of = (properties: JsonObject, others: Json | undefined, name: string): Json =>
    // A pattern's own schema is equal in both; a name that it fits is no additional one.
    own(properties, name) ??
    (patterns.some((pattern) => tameRegExp(pattern, "u").test(name)) ? true : (others ?? true));
  const found = [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((name) =>
    schemaDifferences(
      of(before, old.additionalProperties, name),
      of(now, newer.additionalProperties, name),
      `${path}/${name}`,
    ),
  );
  return [
    ...found,
    ...schemaDifferences(old.additionalProperties ?? true, newer.additionalProperties ?? true, `${path}/(any other)`),
  ];
}

function bound(fits: (older: number, newer: number) => boolean): Comparison {
  return ({ old, new: newer, keyword, path }) => {
    const [before, now] = [old[keyword], newer[keyword]];
    if (typeof before === "number" && fits(before, now as number)) return [];
    return [`${path}: ${keyword} is ${String(now)} now${typeof before === "number" ? `, it was ${before}` : ""}`];
  };
}

/** For a keyword that speaks of values of one type only: nothing changes where there were none. */
function ifPossible(type: string, compare: Comparison): Comparison {
  const among = type === "number" ? ["number", "integer"] : [type];
  return (compared) => (typesOf(compared.old).some((each) => among.includes(each)) ? compare(compared) : []);
}

/** A condition is compared as a whole, and says nothing without its `if`. */
function conditionOf(compared: Compared): string[] {
  return compared.new.if === undefined ? [] : cannotTell(compared);
}

function cannotTell({ path, keyword, old }: Compared): string[] {
  return [
    `${path}: ${keyword} ${old[keyword] === undefined ? "was added" : "was changed"}, which may refuse what fitted`,
  ];
}

function lostValues(old: JsonObject, allowed: readonly Json[], path: string): string[] {
  const before = valuesOf(old);
  if (before === null) return [`${path} may only be ${JSON.stringify(allowed).slice(0, 100)} now`];
  const lost = before.filter((value) => !allowed.some((each) => equal(each, value)));
  return lost.length === 0
    ? []
    : [
        `${path} may not be ${lost
          .map((each) => JSON.stringify(each))
          .join(" or ")
          .slice(0, 100)} any more`,
      ];
}

/** The values that `enum` or `const` leave; null if any value may be there. */
function valuesOf({ enum: values, const: value }: JsonObject): readonly Json[] | null {
  if (value !== undefined) return [value];
  return Array.isArray(values) ? values : null;
}

const allTypes = ["object", "array", "string", "number", "boolean", "null"];

/** With "integer" as well wherever there are numbers: it is among them. */
function typesOf(schema: JsonObject): readonly string[] {
  const { type } = schema;
  const named = type === undefined ? allTypes : Array.isArray(type) ? type.map(String) : [String(type)];
  const types = named.includes("number") ? [...named, "integer"] : named;
  const values = valuesOf(schema);
  if (values === null || type !== undefined) return types;
  return [...new Set(values.map(typeOf))];
}

function typeOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

/** Equal as JSON; the order of an object's keys says nothing. */
function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((each, at) => equal(each, b[at]));
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}
