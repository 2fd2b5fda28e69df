import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../core/json.ts";
import { messageSchemas } from "./ajv.ts";

const readings = (properties: object, more: object = {}): JsonObject => ({
  type: "object",
  properties: { readings: { type: "object", properties, ...more } } as unknown as JsonObject,
});
const differences = (older: object, newer: object) => messageSchemas.differences(readings(older), readings(newer));

describe("a newer schema takes what the older one took", () => {
  test.each<[string, object, object]>([
    [
      "that says the same in another order",
      { a: { minimum: 1, type: "number" } },
      { a: { type: "number", minimum: 1 } },
    ],
    ["with wider bounds", { a: { minimum: 1, maximum: 5 } }, { a: { minimum: 0 } }],
    ["with more types", { a: { type: "integer" } }, { a: { type: ["number", "string"] } }],
    ["with more values", { a: { const: "x" } }, { a: { enum: ["x", "y"] } }],
    ["whose bounds are for what could not be there", { a: { type: "string" } }, { a: { maximum: 5 } }],
    ["that says what was there elsewhere", { a: { $ref: "#/$defs/x" } }, { a: { type: "number" } }],
    [
      "with more ways",
      { a: { anyOf: [{ type: "number" }] } },
      { a: { anyOf: [{ type: "string" }, { type: "number" }] } },
    ],
    ["without a pattern", { a: { pattern: "^x" } }, { a: {} }],
    ["with a new description", { a: {} }, { a: { title: "A", description: "…", default: 3 } }],
  ])("%s", (_name, older, newer) => {
    const old = { ...readings(older), $defs: { x: { type: "number" } } };
    expect(messageSchemas.differences(old, readings(newer))).toEqual([]);
  });

  test("a new optional reading is no difference where any other was of its type", () => {
    const older = readings({ a: {} }, { additionalProperties: { type: "number" } });
    const newer = readings({ a: {}, b: { type: "number" } }, { additionalProperties: { type: "number" } });
    expect(messageSchemas.differences(older, newer)).toEqual([]);
    expect(messageSchemas.differences(readings({}), readings({ b: { type: "number" } }))).toEqual([
      "message/readings/b may not be object or array or string or boolean or null any more",
    ]);
    expect(
      messageSchemas.differences(readings({}, { additionalProperties: false }), readings({ b: { type: "number" } })),
    ).toEqual([]);
  });
});

describe("what may refuse what was taken is told", () => {
  test.each<[string, object, object, string]>([
    ["a narrower bound", { a: { maximum: 5 } }, { a: { maximum: 4 } }, "a: maximum is 4 now, it was 5"],
    ["a new bound", { a: { type: "integer" } }, { a: { type: "integer", minimum: 0 } }, "a: minimum is 0 now"],
    ["a type less", { a: { type: ["number", "string"] } }, { a: { type: "number" } }, "a may not be string any more"],
    ["whole numbers only", { a: { type: "number" } }, { a: { type: "integer" } }, "a may not be number any more"],
    ["a value less", { a: { enum: [1, 2] } }, { a: { enum: [2] } }, "a may not be 1 any more"],
    ["values at all", { a: { type: "number" } }, { a: { enum: [2] } }, "a may only be [2] now"],
    ["a bound on former values", { a: { enum: [1, 2] } }, { a: { minimum: 2 } }, "a: minimum is 2 now"],
    ["a pattern", { a: {} }, { a: { pattern: "^x" } }, "a: pattern was added, which may refuse what fitted"],
    ["a negation", { a: {} }, { a: { not: { const: 1 } } }, "a: not was added, which may refuse what fitted"],
    [
      "a way less",
      { a: { anyOf: [{ const: 1 }, { const: 2 }] } },
      { a: { anyOf: [{ const: 1 }] } },
      "a has fewer ways (anyOf) than before",
    ],
    ["a reading that is gone for good", { a: {} }, { a: false }, "a is not allowed any more"],
  ])("%s", (_name, older, newer, told) => {
    expect(differences(older, newer)).toEqual([`message/readings/${told}`]);
  });

  test("a new required reading, and readings that are closed", () => {
    const older = readings({ a: {} }, { required: ["a"] });
    expect(messageSchemas.differences(older, readings({ a: {} }, { required: ["a", "b"] }))).toEqual([
      "message/readings/b is required now",
    ]);
    expect(messageSchemas.differences(older, readings({ a: {} }, { additionalProperties: false }))).toEqual([
      "message/readings/(any other) is not allowed any more",
    ]);
  });

  test("a condition of which one part is another", () => {
    const condition = (maximum: number) => ({ a: { if: { minimum: 5 }, else: { maximum } } });
    expect(differences(condition(9), condition(8))).toHaveLength(1);
    expect(differences(condition(9), condition(9))).toEqual([]);
  });
});

test("a message that fits a schema fits each later one that has no difference to it", () => {
  let compatible = 0;
  let fitted = 0;
  fc.assert(
    fc.property(
      anySchema,
      anyChange,
      fc.array(anyMessage, { minLength: 20, maxLength: 20 }),
      (older, change, messages) => {
        const newer = change(older) as JsonObject;
        const [first, second] = [older, newer].map((schema) => messageSchemas.compile(schema));
        if (first?.kind !== "schema" || second?.kind !== "schema") return;
        if (messageSchemas.differences(older, newer).length > 0) return;
        compatible += 1;
        for (const message of messages) {
          if (first.check(message) !== null) continue;
          fitted += 1;
          expect(second.check(message), JSON.stringify({ older, newer, message })).toBeNull();
        }
      },
    ),
    { numRuns: 600 },
  );
  expect(compatible).toBeGreaterThan(20);
  expect(fitted).toBeGreaterThan(20);
});

const value = fc.constantFrom(0, 1, 2, 2.5, 4, "", "a", "ab", true, false);
const bound = fc.integer({ min: 0, max: 3 });
const one = <T>(keyword: string, values: fc.Arbitrary<T>) => values.map((given) => ({ [keyword]: given }) as object);
const leaf: fc.Arbitrary<object> = fc.oneof(
  one("type", fc.constantFrom("number", "integer", "string", "boolean")),
  one("type", fc.uniqueArray(fc.constantFrom("number", "string", "boolean"), { minLength: 1 })),
  one("minimum", bound),
  one("maximum", bound),
  one("exclusiveMaximum", bound),
  one("multipleOf", fc.constantFrom(1, 2)),
  one("minLength", bound),
  one("maxLength", bound),
  one("pattern", fc.constantFrom("^a", "b$")),
  one("enum", fc.uniqueArray(value, { minLength: 1, maxLength: 5 })),
  one("const", value),
);
/** Few keywords each, or nothing fits. */
const some = (parts: fc.Arbitrary<object>) =>
  fc.array(parts, { maxLength: 2 }).map((given) => Object.assign({}, ...given) as object);
const inner = some(leaf);
const condition = fc
  .tuple(inner, fc.option(inner), fc.option(inner))
  .map(([test, met, unmet]) =>
    Object.fromEntries(
      Object.entries({ if: test, ["th" + "en"]: met, else: unmet }).filter(([, part]) => part !== null),
    ),
  );
const nested: fc.Arbitrary<object> = fc.oneof(
  one("anyOf", fc.array(inner, { minLength: 1, maxLength: 2 })),
  one("allOf", fc.array(inner, { minLength: 1, maxLength: 2 })),
  one("not", inner),
  condition,
);
const ofValue = some(fc.oneof({ weight: 3, arbitrary: leaf }, { weight: 1, arbitrary: nested }));
const name = fc.constantFrom("a", "b", "ab");
const ofReadings = fc.record(
  {
    type: fc.constant("object"),
    properties: fc.dictionary(
      name,
      fc.oneof({ weight: 4, arbitrary: ofValue }, { weight: 1, arbitrary: fc.boolean() }),
    ),
    patternProperties: fc.dictionary(fc.constantFrom("^a", "b$"), ofValue, { maxKeys: 1 }),
    additionalProperties: fc.oneof(fc.boolean(), ofValue),
    required: fc.uniqueArray(name),
    maxProperties: fc.integer({ min: 1, max: 3 }),
  },
  { requiredKeys: ["type"] },
);
const anySchema = ofReadings.map((of) => ({ type: "object", properties: { readings: of } }) as unknown as JsonObject);
const anyMessage = fc.dictionary(name, value).map((said) => ({ readings: said }) as JsonObject);

/** Changes of one part of the readings' schema, some of which are compatible, and whole other schemas. */
type ReadingsSchema = { properties?: Record<string, object>; [keyword: string]: unknown };
const anyChange: fc.Arbitrary<(older: JsonObject) => unknown> = fc.oneof(
  anySchema.map((newer) => () => newer),
  ofReadings.map((given) => changed((of) => ({ ...of, ...given }))),
  fc
    .constantFrom("properties", "required", "additionalProperties", "maxProperties", "patternProperties")
    .map((keyword) => changed(({ [keyword]: _, ...rest }) => rest)),
  fc
    .tuple(name, ofValue)
    .map(([key, schema]) => changed((of) => ({ ...of, properties: { ...of.properties, [key]: schema } }))),
  fc
    .tuple(name, ofValue)
    .map(([key, schema]) =>
      changed((of) => ({ ...of, properties: { ...of.properties, [key]: { ...of.properties?.[key], ...schema } } })),
    ),
  fc.tuple(name, ofValue).map(([key, schema]) =>
    changed((of) => ({
      ...of,
      properties: {
        ...of.properties,
        [key]: { anyOf: [schema, ...(of.properties?.[key] ? [of.properties[key]] : [])] },
      },
    })),
  ),
);

function changed(change: (of: ReadingsSchema) => object): (older: JsonObject) => unknown {
  return (older) => {
    const { readings: of } = older.properties as unknown as { readings: ReadingsSchema };
    return { ...older, properties: { readings: change(of) } };
  };
}
