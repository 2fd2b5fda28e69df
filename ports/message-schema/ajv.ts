import { createRequire } from "node:module";
import type { Ajv, ErrorObject, Options, ValidateFunction } from "ajv";
import type { FormatsPlugin } from "ajv-formats";
import { isJsonObject, type Json, type JsonObject } from "../../core/json.ts";
import type { SchemaProblem } from "../../core/quality/compiled-rules.ts";
import { schemaDifferences } from "./compatibility.ts";
import { formats, schemaProblems, withoutReferences } from "./limits.ts";
import type { CompiledSchema, MessageSchemas } from "./port.ts";
import { tameRegExp } from "./regex-limits.ts";

/** Message schemas by Ajv. */
export const messageSchemas: MessageSchemas = {
  compile,
  differences: (older, newer) => schemaDifferences(expanded(older), expanded(newer)),
};

/** Of one message; the rest is not told. */
const mostProblems = 5;

// Loaded with the first schema: a system without any starts sooner.
const require = createRequire(import.meta.url);
const drafts: Record<string, () => Ajv> = {
  "https://json-schema.org/draft/2020-12/schema": () =>
    new (require("ajv/dist/2020.js") as typeof import("ajv/dist/2020.js")).Ajv2020(options),
  "http://json-schema.org/draft-07/schema": () => new (require("ajv") as typeof import("ajv")).Ajv(options),
};

function compile(value: unknown): CompiledSchema {
  const problems = schemaProblems(value as Json);
  if (problems.length > 0) return { kind: "refused", problems };
  const schema = value as JsonObject;
  const { $schema = Object.keys(drafts)[0]! } = schema;
  const draft = typeof $schema === "string" ? $schema.replace(/#$/, "") : "";
  if (!Object.hasOwn(drafts, draft))
    return {
      kind: "refused",
      problems: [`$schema is ${JSON.stringify($schema).slice(0, 80)}; there are ${Object.keys(drafts).join(" and ")}.`],
    };
  const compiler = compilerOf(draft);
  // A name of its own would be the same for each version, and for whoever copies it.
  const { $id: _, ...unnamed } = schema;
  let validate: ValidateFunction;
  try {
    validate = compiler.compile(unnamed);
  } catch (error) {
    return { kind: "refused", problems: [`It is no JSON Schema: ${(error as Error).message}.`] };
  } finally {
    compiler.removeSchema(unnamed);
  }
  return {
    kind: "schema",
    schema,
    check: (body) => (validate(body) ? null : (validate.errors ?? []).slice(0, mostProblems).map(problemOf)),
  };
}

/** Making one takes longer than compiling a hundred schemas; but it keeps something of each, so it is not for ever. */
const compilers = new Map<string, { readonly ajv: Ajv; used: number }>();
const mostUses = 1_000;

function compilerOf(draft: string): Ajv {
  let compiler = compilers.get(draft);
  if (compiler === undefined || compiler.used >= mostUses) {
    const ajv = drafts[draft]!();
    const { default: addFormats } = require("ajv-formats") as { default: FormatsPlugin };
    addFormats(ajv, { mode: "fast", formats: [...formats] });
    compiler = { ajv, used: 0 };
    compilers.set(draft, compiler);
  }
  compiler.used += 1;
  return compiler.ajv;
}

const options: Options = {
  strict: true,
  // These are habits of schemas, not mistakes in them.
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  allowUnionTypes: true,
  allErrors: false,
  validateFormats: true,
  logger: false,
  code: { regExp: Object.assign(tameRegExp, { code: "tameRegExp" }) },
};

function problemOf({ instancePath, message, params, keyword }: ErrorObject): SchemaProblem {
  const path = instancePath
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const named = keyword === "required" ? params.missingProperty : params.additionalProperty;
  const inReadings = path[0] === "readings";
  const metric = inReadings ? (path[1] ?? (typeof named === "string" ? named : "")) : "";
  const where = instancePath === "" ? "the message" : path.join("/");
  const extra = keyword === "additionalProperties" ? ` such as "${String(named).slice(0, 60)}"` : allowed(params);
  return { metric, detail: `${where} ${message ?? "does not fit"}${extra}` };
}

function allowed(params: Record<string, unknown>): string {
  const values = params.allowedValues ?? params.allowedValue;
  return values === undefined ? "" : `: ${JSON.stringify(values).slice(0, 100)}`;
}

function expanded(schema: JsonObject): Json {
  const plain = withoutReferences(schema);
  return plain.kind === "schema" && (isJsonObject(plain.schema) || typeof plain.schema === "boolean")
    ? plain.schema
    : schema;
}
