import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../core/json.ts";
import { messageSchemas } from "./ajv.ts";

const compiled = (schema: unknown) => {
  const outcome = messageSchemas.compile(schema);
  if (outcome.kind === "refused") throw new Error(outcome.problems.join(" "));
  return outcome.check;
};
const problemsOf = (schema: unknown) => {
  const outcome = messageSchemas.compile(schema);
  return outcome.kind === "refused" ? outcome.problems.join(" ") : "none";
};
const pump: JsonObject = {
  type: "object",
  required: ["readings"],
  properties: {
    readings: {
      type: "object",
      required: ["pressure"],
      properties: { pressure: { $ref: "#/$defs/bar" }, mode: { enum: ["eco", "full"] } },
      additionalProperties: { type: "number" },
    },
    tags: { type: "object", properties: { line: { type: "string", pattern: "^[A-Z]\\d+$" } } },
  },
  $defs: { bar: { type: "number", minimum: 0, maximum: 16 } },
};

describe("a message schema", () => {
  test("lets pass what fits it, and says what does not, and of which metric", () => {
    const check = compiled(pump);
    expect(
      check({ ts: 1, seq: 4, readings: { pressure: 3, flow: 1.5, mode: "eco" }, tags: { line: "A4" } }),
    ).toBeNull();
    const told = (readings: JsonObject) => check({ readings });
    expect(told({ pressure: 20 })).toEqual([{ metric: "pressure", detail: "readings/pressure must be <= 16" }]);
    expect(told({ flow: 20 })).toEqual([
      { metric: "pressure", detail: "readings must have required property 'pressure'" },
    ]);
    expect(told({ pressure: 2, mode: "off" })).toEqual([
      {
        metric: "mode",
        detail: 'readings/mode must be equal to one of the allowed values: ["eco","full"]',
      },
    ]);
    expect(check({ readings: { pressure: 1 }, tags: { line: "4" } })).toEqual([
      { metric: "", detail: 'tags/line must match pattern "^[A-Z]\\d+$"' },
    ]);
  });

  test("keeps apart its patterns, and fits no text that is too long for them", () => {
    const tags = { a: { type: "string", pattern: "^a*$" }, b: { type: "string", pattern: "^b*$" } };
    const check = compiled({ properties: { tags: { properties: tags } } });
    expect(check({ tags: { a: "aa", b: "bb" } })).toBeNull();
    expect(check({ tags: { a: "bb" } })).toHaveLength(1);
    expect(check({ tags: { a: "a".repeat(257) } })).toHaveLength(1);
  });

  test.each([
    ["draft-07", "http://json-schema.org/draft-07/schema#"],
    ["draft 2020-12", "https://json-schema.org/draft/2020-12/schema"],
  ])("may be of %s", (_name, $schema) => {
    expect(
      compiled({ ...pump, $schema, $id: "https://example.com/pump" })({ readings: { pressure: 17 } }),
    ).toHaveLength(1);
  });

  test.each([
    ["text", "{}", /is an object/],
    ["null", null, /is an object/],
    ["another draft", { $schema: "http://json-schema.org/draft-04/schema#" }, /there are https/],
    ["a keyword that is none", { requird: ["a"] }, /unknown keyword: "requird"/],
    ["a type that is none", { type: "float" }, /no JSON Schema/],
    ["a format that is none", { format: "regex" }, /the format "regex" is unknown/],
    ["a schema elsewhere", { $ref: "https://example.com/a" }, /has to name a part of the schema itself/],
    ["a part that is not there", { $ref: "#/$defs/a" }, /not there/],
    ["itself", { $defs: { a: { not: { $ref: "#/$defs/a" } } }, $ref: "#/$defs/a" }, /from within itself/],
    ["dynamic references", { $dynamicRef: "#a" }, /\$dynamicRef is not allowed/],
    ["promises", { $async: true }, /\$async is not allowed/],
    ["a dangerous pattern", { properties: { a: { pattern: "^(a+)+$" } } }, /could take too long/],
    ["dangerous names", { patternProperties: { "(a|aa)*": {} } }, /could take too long/],
    ["much text", { description: "x".repeat(40_000) }, /at most 32768/],
    ["many levels", JSON.parse(`${'{"not":'.repeat(30)}{}${"}".repeat(30)}`), /nested deeper/],
    ["names that are no names", JSON.parse('{"properties":{"__proto__":{"type":"number"}}}'), /is no name/],
  ])("may not be made of %s", (_name, schema, problem) => {
    expect(problemsOf(schema)).toMatch(problem);
  });

  test("may not grow without end by referring to its parts", () => {
    const $defs: Record<string, unknown> = { d0: { type: "number" } };
    for (let level = 1; level <= 20; level += 1) {
      const ref = { $ref: `#/$defs/d${level - 1}` };
      $defs[`d${level}`] = { allOf: [ref, ref] };
    }
    expect(problemsOf({ $defs, $ref: "#/$defs/d20" })).toMatch(/more than 5000 parts/);
  });
});

test("whatever is given as a schema is refused in words or can be judged by", () => {
  const keyword = fc.constantFrom(
    ..."$ref $defs $id $schema type enum const required properties patternProperties additionalProperties".split(" "),
    ..."allOf anyOf oneOf not if else pattern format minimum maxLength items contains dependentRequired x".split(" "),
  );
  const { schema } = fc.letrec<{ schema: unknown }>((tie) => ({
    schema: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      fc.constantFrom<unknown>("number", "#/$defs/x", "#/$defs/%", "^a+$", "(", -1, 3, true, null, ["a"], [], {}),
      fc.dictionary(keyword, tie("schema"), { maxKeys: 3 }),
      fc.array(tie("schema"), { maxLength: 2 }),
    ),
  }));
  fc.assert(
    fc.property(schema, (given) => {
      const outcome = messageSchemas.compile(given);
      if (outcome.kind === "refused") {
        expect(outcome.problems.length).toBeGreaterThan(0);
        return;
      }
      expect(messageSchemas.differences(outcome.schema, outcome.schema)).toEqual([]);
      const body = { ts: 1, readings: { a: 1, b: "x" } };
      outcome.check(body);
      expect(body).toEqual({ ts: 1, readings: { a: 1, b: "x" } });
    }),
    { numRuns: 3_000 },
  );
});
