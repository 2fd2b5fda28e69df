import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BadReminderData, jsonOfAny } from "./reminder-data.ts";

const type_url = "type.googleapis.com/google.protobuf.BytesValue";

describe("a reminder's data", () => {
  test("is the JSON that it was registered with, however long", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(40_000), (value, padding) => {
        const json = JSON.stringify({ value, padding: "x".repeat(padding) });
        expect(jsonOfAny({ type_url, value: bytesValue(json) })).toEqual(JSON.parse(json));
      }),
      { numRuns: 50 },
    );
  });

  test("is undefined where there is none", () => {
    expect(jsonOfAny(null)).toBeUndefined();
    expect(jsonOfAny({ type_url, value: Buffer.alloc(0) })).toBeUndefined();
    expect(jsonOfAny({ type_url, value: bytesValue("") })).toBeUndefined();
  });

  test.each([
    ["another type", { type_url: "type.googleapis.com/google.protobuf.StringValue", value: bytesValue("1") }],
    ["another field", { type_url, value: Buffer.from([0x12, 1, 0x31]) }],
    ["a length without end", { type_url, value: Buffer.from([0x0a, 0xff]) }],
    ["fewer bytes than it says", { type_url, value: Buffer.from([0x0a, 5, 0x31]) }],
    ["no JSON", { type_url, value: bytesValue("{") }],
  ])("that is %s is refused with what is wrong", (_what, data) => {
    expect(() => jsonOfAny(data)).toThrow(BadReminderData);
  });
});

function bytesValue(json: string): Buffer {
  const bytes = Buffer.from(json);
  const length: number[] = [];
  let rest = bytes.length;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) | 0x80);
  return Buffer.concat([Buffer.from([0x0a, ...length, rest]), bytes]);
}
