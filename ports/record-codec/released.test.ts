import { expect, test } from "vitest";
import { logTopics } from "../record-log/port.ts";
import { logSchemas } from "./log-schemas.ts";
import { incompatibilities, releasedSchemas } from "./released.ts";

const released = releasedSchemas();
const last = released.at(-1)!;
type Field = { name: string; type: unknown; default?: unknown };

/** Today's schemas with one of them changed, as somebody might. */
function changed(topic: (typeof logTopics)[number], change: (fields: Field[]) => Field[]) {
  const schema = JSON.parse(logSchemas[topic]) as { fields: Field[] };
  return { ...logSchemas, [topic]: JSON.stringify({ ...schema, fields: change(schema.fields) }) };
}

test("there is a released version, and each has a schema for every topic", () => {
  expect(released.map(({ version }) => version)).toEqual(released.map((_, index) => index + 1));
  expect(released.length).toBeGreaterThan(0);
  for (const { schemas } of released) expect(Object.keys(schemas)).toEqual(logTopics);
});

test("today's schemas read what each released version has written (BACKWARD)", () => {
  for (const { schemas } of released) expect(incompatibilities(logSchemas, schemas)).toEqual([]);
});

test.each([
  [
    "a new field without a default",
    changed("iot-telemetry", (fields) => [...fields, { name: "unit", type: "string" }]),
  ],
  [
    "a field of another type",
    changed("dead-letter", (fields) =>
      fields.map((each) => (each.name === "atMs" ? { ...each, type: "string" } : each)),
    ),
  ],
  [
    "an optional field that became required",
    changed("iot-telemetry", (fields) =>
      fields.map((each) => (each.name === "tags" ? { name: "tags", type: "string" } : each)),
    ),
  ],
  [
    "a kind of event that is gone",
    changed("device-events", (fields) =>
      fields.map((each) => (each.name === "event" ? { ...each, type: (each.type as unknown[]).slice(0, -1) } : each)),
    ),
  ],
])("%s is seen to break it", (_, schemas) => {
  const found = incompatibilities(schemas, last.schemas);
  expect(found).toEqual([expect.stringMatching(/^schemas\/(iot-telemetry|dead-letter|device-events)\.avsc: ./)]);
});

test.each([
  [
    "a new field with a default",
    changed("iot-telemetry", (fields) => [...fields, { name: "unit", type: "string", default: "" }]),
  ],
  ["a field that is gone", changed("iot-telemetry", (fields) => fields.filter(({ name }) => name !== "region"))],
  [
    "a new kind of event",
    changed("device-events", (fields) =>
      fields.map((each) =>
        each.name === "event"
          ? { ...each, type: [...(each.type as unknown[]), { type: "record", name: "Painted", fields: [] }] }
          : each,
      ),
    ),
  ],
])("%s is no break", (_, schemas) => {
  expect(incompatibilities(schemas, last.schemas)).toEqual([]);
});
