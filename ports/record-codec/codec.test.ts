import avsc from "avsc";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type TwinRecord, topicOf } from "../../core/device/records.ts";
import { BadRecord, encodeRecord } from "../record-log/codec.ts";
import { logTopics } from "../record-log/port.ts";
import { openMemorySchemaRegistry } from "../schema-registry/memory.ts";
import { localRecordCodec, openRecordCodec, openRecordReader, UnknownSchema } from "./codec.ts";
import { logSchemas } from "./log-schemas.ts";
import { anyRecord, anyRecordOf, anyText } from "./testing.ts";

const key = Buffer.from("pump-4");
const codec = localRecordCodec();
const types = Object.fromEntries(
  logTopics.map((topic) => [topic, avsc.Type.forSchema(JSON.parse(logSchemas[topic]))]),
) as Record<string, avsc.Type>;

describe.each(Object.entries(anyRecordOf))("a %s record", (_, anyOfKind) => {
  test("comes back as it was, absent and null apart", () => {
    fc.assert(
      fc.property(anyText, anyOfKind as fc.Arbitrary<TwinRecord>, (id, record) => {
        const bytes = codec.encode({ id, record });
        expect(bytes[0]).toBe(0); // never the JSON that is left for our mistakes
        expect(codec.decode(key, bytes, 7)).toEqual({ offset: 7, id, device: "pump-4", record });
        expect(JSON.stringify(codec.decode(key, bytes, 7).record)).toHaveLength(JSON.stringify(record).length);
      }),
      { numRuns: 300 },
    );
  });

  test("is a value of its topic's schema for any other reader of Avro", () => {
    fc.assert(
      fc.property(anyOfKind as fc.Arbitrary<TwinRecord>, (record) => {
        const bytes = codec.encode({ id: "a1", record });
        const type = types[topicOf(record)]!;
        const value = type.fromBuffer(bytes.subarray(5)) as Record<string, unknown>;
        expect(value).toMatchObject({ id: "a1", atMs: record.atMs });
        if (value.exact !== null) expect(JSON.parse(value.exact as string)).toEqual({ id: "a1", record });
        else expect(type.toBuffer(value).equals(bytes.subarray(5))).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

test("telemetry that avsc writes is read as that which we write", () => {
  const record: TwinRecord = {
    ...{ kind: "telemetry", atMs: 1_700_000_000_123, tsMs: -5, type: "pump", region: "eu" },
    readings: { temperature: 20.5, open: true, mode: "eco", "": 0 },
    identity: { kind: "sequence", boot: "b", seq: 2 ** 40 },
    tags: { line: "4" },
    flags: { temperature: ["range", "stuck"], "": [] },
    unchangedSince: { temperature: 1_699_999_999_999 },
  };
  const { kind: _, identity, ...fields } = record;
  const { kind: __, ...sequence } = identity;
  const body = types["iot-telemetry"]!.toBuffer({ id: "x", ...fields, identity: { "doppel.Sequence": sequence } });
  const wire = codec.encode({ id: "x", record });
  expect(wire.subarray(5).equals(body)).toBe(true);
  expect(codec.decode(key, wire, 0).record).toStrictEqual(record);
});

test("the head is Confluent's: a zero byte and the schema's id, big-endian", async () => {
  const registry = openMemorySchemaRegistry();
  for (let other = 0; other < 300; other += 1)
    await registry.register(`other-${other}`, `{"type":"enum","name":"E${other}","symbols":["A"]}`);
  const registered = await openRecordCodec(registry);
  const bytes = registered.encode({ id: "a", record: { kind: "deregistered", atMs: 1 } });
  const id = await registry.register("device-events-value", logSchemas["device-events"]);
  expect(id).toBeGreaterThan(256);
  expect([bytes[0], bytes.readUInt32BE(1)]).toEqual([0, id]);
});

test("the JSON of earlier releases is read as before", () => {
  fc.assert(
    fc.property(anyText, anyRecord, (id, record) => {
      const value = encodeRecord({ id, record });
      expect(codec.decode(key, value, 1)).toEqual({ offset: 1, id, device: "pump-4", record });
    }),
  );
});

test.each([
  ["a field that the schema does not have", { kind: "deregistered", atMs: 1, padding: "x" }],
  ["a word that the schema does not have", { kind: "seen", atMs: 1, why: "guessed" }],
  ["a time that is no whole number", { kind: "deregistered", atMs: 1.5 }],
  ["a number beyond 53 bits", { kind: "deregistered", atMs: 2 ** 60 }],
  ["a kind that the schema does not have", { kind: "painted", atMs: 1 }],
  [
    "a telemetry time that is none",
    { kind: "telemetry", atMs: 1, tsMs: 0.5, readings: {}, identity: { kind: "id", id: "" } },
  ],
])("%s is written as JSON: it is not lost", (_, record) => {
  const bytes = codec.encode({ id: "a", record: record as TwinRecord });
  expect(bytes.toString()).toBe(JSON.stringify({ id: "a", record }));
  expect(codec.decode(key, bytes, 0).record).toEqual(record);
});

describe("what cannot be read", () => {
  const good = codec.encode({ id: "a", record: { kind: "seen", atMs: 1, why: "heartbeat" } });
  test.each([
    ["without its key", null, good, "it has no key"],
    ["empty", key, Buffer.alloc(0), "it is empty"],
    ["of another kind", key, Buffer.from("?"), 'its first byte is 63, neither 0 (Avro) nor 123 ("{", JSON)'],
    ["cut in its head", key, good.subarray(0, 3), "it ends too early"],
    ["cut in its value", key, good.subarray(0, -1), "it ends too early"],
    ["too long", key, Buffer.concat([good, good]), "bytes follow it"],
    ["damaged", key, Buffer.concat([good.subarray(0, 5), Buffer.alloc(9, 0xff)]), "its bytes are not of its schema"],
  ])("%s is a bad record, in words", (_, keyBytes, value, words) => {
    const failure = failureOf(() => codec.decode(keyBytes, value, 0));
    expect(failure).toBeInstanceOf(BadRecord);
    expect((failure as Error).message).toContain(words);
  });

  test("any bytes are a record or a bad one, and nothing else", () => {
    const heads = [1, 2, 3].map((id) => Buffer.from([0, 0, 0, 0, id]));
    fc.assert(
      fc.property(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 60 }), (head, rest) => {
        const failure = failureOf(() => codec.decode(key, Buffer.concat([head, rest]), 0));
        if (failure !== undefined) expect(failure).toBeInstanceOf(BadRecord);
      }),
      { numRuns: 2_000 },
    );
  });

  test("a record by a schema that has to be fetched says so, and is read after that", async () => {
    const registry = openMemorySchemaRegistry();
    const writer = await openRecordCodec(registry);
    const reader = openRecordReader(registry);
    const record: TwinRecord = { kind: "seen", atMs: 1, why: "heartbeat" };
    const value = writer.encode({ id: "a", record });
    const failure = failureOf(() => reader.decode(key, value, 0));
    expect(failure).toBeInstanceOf(UnknownSchema);
    expect(failure).toMatchObject({ name: "UnknownSchema", code: "UNKNOWN_SCHEMA", retry: "later" });
    await reader.learnFrom([null, Buffer.from("{"), value]);
    expect(reader.decode(key, value, 0).record).toEqual(record);
  });

  test("a record by a schema that the registry does not have is a bad one, and the registry is not asked each time", async () => {
    let asked = 0;
    const reader = openRecordReader({
      async schema() {
        asked += 1;
        return null;
      },
    });
    for (let time = 0; time < 3; time += 1) await reader.learnFrom([good]);
    expect(asked).toBe(1);
    const failure = failureOf(() => reader.decode(key, good, 0));
    expect(failure).toBeInstanceOf(BadRecord);
    expect((failure as Error).message).toContain("the schema registry has no schema 2");
  });

  test("a record by somebody else's schema is a bad one that says whose", async () => {
    const reader = openRecordReader({ schema: async () => '{"type":"record","name":"acme.Order","fields":[]}' });
    await reader.learn(9);
    const failure = failureOf(() => reader.decode(key, Buffer.from([0, 0, 0, 0, 9]), 0));
    expect((failure as Error).message).toContain("its schema 9, acme.Order, is none of Doppel's");
  });

  test("a registry that is away makes no bad records: whoever reads tries again", async () => {
    const reader = openRecordReader({
      schema: async () => {
        throw new Error("away");
      },
    });
    await expect(reader.learnFrom([good])).rejects.toThrow("away");
    expect(failureOf(() => reader.decode(key, good, 0))).toBeInstanceOf(UnknownSchema);
  });
});

function failureOf(action: () => unknown): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error;
  }
}
