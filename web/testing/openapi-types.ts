/** Schemas of an OpenAPI 3.1 document as TypeScript: as much of them as the API's own document has. */
export type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  prefixItems?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
};
type Operation = { responses: Record<string, { content?: Record<string, { schema: Schema }> }> };
export type Description = {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};

/** The document's components, each as a type of its name. */
export function declarations({ components }: Description): string {
  return Object.entries(components.schemas)
    .map(([name, schema]) => `type ${name} = ${typeOf(schema)};`)
    .join("\n");
}

/** The type of a route's answer when all is well; throws if there is no such route, or no JSON in its answer. */
export function answerType({ paths }: Description, method: string, path: string): string {
  const responses = paths[path]?.[method]?.responses ?? {};
  const status = Object.keys(responses).find((one) => one.startsWith("2"));
  const schema = responses[status ?? ""]?.content?.["application/json"]?.schema;
  if (schema === undefined) throw new Error(`The API's description has no JSON answer of ${method} ${path}.`);
  return typeOf(schema);
}

function typeOf(schema: Schema): string {
  const { $ref, anyOf, oneOf, allOf } = schema;
  if ($ref !== undefined) return $ref.slice($ref.lastIndexOf("/") + 1);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return oneOfThese(schema.enum.map((value) => JSON.stringify(value)));
  const several = anyOf ?? oneOf;
  if (several !== undefined) return oneOfThese(several.map(typeOf));
  if (allOf !== undefined) return allOf.map((each) => `(${typeOf(each)})`).join(" & ");
  const types = schema.type === undefined ? [] : [schema.type].flat();
  return types.length === 0 ? "any" : oneOfThese(types.map((type) => plainType(type, schema)));
}

function plainType(type: string, schema: Schema): string {
  switch (type) {
    case "integer":
      return "number";
    case "array":
      if (schema.prefixItems !== undefined) return `[${schema.prefixItems.map(typeOf).join(", ")}]`;
      return `(${schema.items === undefined ? "any" : typeOf(schema.items)})[]`;
    case "object":
      return objectType(schema);
    default:
      return type; // string, number, boolean, null
  }
}

function objectType({ properties = {}, required = [], additionalProperties }: Schema): string {
  // The document calls no value of any type required: zod takes its absence for one.
  const there = (name: string, type: string) => required.includes(name) || type === "any";
  const fields = Object.entries(properties).map(([name, each]) => {
    const type = typeOf(each);
    return `${JSON.stringify(name)}${there(name, type) ? "" : "?"}: ${type};`;
  });
  const open = typeof additionalProperties === "object" || additionalProperties === true;
  const others = typeof additionalProperties === "object" ? typeOf(additionalProperties) : "any";
  if (!open) return `{ ${fields.join(" ")} }`;
  const rest = `Record<string, ${others}>`;
  return fields.length === 0 ? rest : `{ ${fields.join(" ")} } & ${rest}`;
}

function oneOfThese(types: string[]): string {
  return types.length === 1 ? types[0]! : `(${[...new Set(types)].join(" | ")})`;
}
