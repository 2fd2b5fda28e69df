import fc from "fast-check";
import { expect, test } from "vitest";
import { BadRecord, decodeRecord, encodeRecord } from "./codec.ts";
import { RecordTooLarge } from "./kafka-publisher.ts";
import { LogAway, type PublishableRecord } from "./port.ts";

const key = Buffer.from("pump-4");

test("any id and text comes back as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (id, reason) => {
      const record: PublishableRecord["record"] = { kind: "commandMoved", atMs: 1, command: "c", to: "failed", reason };
      const bytes = encodeRecord({ id, record });
      expect(bytes[0]).toBe(0x7b); // what tells this form from others
      expect(decodeRecord(key, bytes, 7)).toEqual({ offset: 7, id, device: "pump-4", record });
    }),
  );
});

test.each([
  [null, "{}", "it has no key"],
  ["pump", null, "it is empty"],
  ["pump", "", "it is empty"],
  ["pump", "\0\0\0\0\x01x", "Confluent's wire format"],
  ["pump", "[1]", "its first byte is 91"],
  ["pump", "{", "it is no JSON"],
  ["pump", '{"id":4,"record":{"kind":"seen"}}', '"id" is number instead of a string'],
  ["pump", '{"id":"d1.0"}', '"record" is no object'],
  ["pump", '{"id":"d1.0","record":null}', '"record" is no object'],
])("key %j with value %j is a bad record, in words", (keyText, value, words) => {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  expect(() => decodeRecord(bytes(keyText), bytes(value), 0)).toThrow(BadRecord);
  expect(() => decodeRecord(bytes(keyText), bytes(value), 0)).toThrow(words);
});

test.each([
  [new BadRecord("it is empty"), "BadRecord", "BAD_RECORD", "never"],
  [new RecordTooLarge("too large"), "RecordTooLarge", "RECORD_TOO_LARGE", "never"],
  [new LogAway("away"), "LogAway", "LOG_AWAY", "later"],
])("%s says what it is and whether to try again", (error, name, code, retry) => {
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name, code, retry });
});
