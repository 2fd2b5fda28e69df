/**
 * Two versions of the schemas in one log: the released one, and a made-up next one with a new field (with a default), a
 * new word and a new kind of event. Each is written, and read with each.
 */
import avsc from "avsc";
import { describe, expect, test } from "vitest";
import type { TwinRecord } from "../../core/device/records.ts";
import { BadRecord } from "../record-log/codec.ts";
import type { LogTopic } from "../record-log/port.ts";
import { openMemorySchemaRegistry } from "../schema-registry/memory.ts";
import { localRecordCodec, openRecordCodec, openRecordReader } from "./codec.ts";
import { logSchemas, subjectOf } from "./log-schemas.ts";
import { releasedSchemas } from "./released.ts";
import { valueReader } from "./schema-reading.ts";

type Schema = { fields: { name: string; type: unknown; default?: unknown }[] };

const released = releasedSchemas()[0]!.schemas;
const next: Record<LogTopic, string> = {
  "iot-telemetry": edited("iot-telemetry", ({ fields }) => {
    fields.splice(3, 0, { name: "unit", type: { type: "map", values: "string" }, default: {} });
  }),
  "dead-letter": edited("dead-letter", ({ fields }) => {
    fields.unshift({ name: "severity", type: "int", default: 3 });
  }),
  "device-events": edited("device-events", ({ fields }) => {
    const kinds = fields.find(({ name }) => name === "event")!.type as { name: string; fields: unknown[] }[];
    kinds.push({ name: "Painted", fields: [{ name: "colour", type: "string" }], ...{ type: "record" } });
    const seen = kinds.find(({ name }) => name === "Seen")!;
    seen.fields.push({ name: "times", type: "int", default: 1 });
    (seen.fields[0] as { type: { symbols: string[] } }).type.symbols.push("guess");
  }),
};

function edited(topic: LogTopic, edit: (schema: Schema) => void): string {
  const schema = JSON.parse(logSchemas[topic]) as Schema;
  edit(schema);
  return JSON.stringify(schema);
}

const telemetry: TwinRecord = {
  ...{ kind: "telemetry", atMs: 1_700_000_000_000, tsMs: 1_700_000_000_001, region: "eu" },
  readings: { temperature: 20.5, open: true, mode: "eco" },
  identity: { kind: "sequence", boot: "b", seq: 7 },
  flags: { temperature: ["range"] },
};
const letter: TwinRecord = {
  ...{ kind: "deadLettered", atMs: 1, topic: "t", reason: "r", detail: "d", payload: "p", encoding: "utf8" },
  broken: [{ rule: "range", metric: "temperature" }],
};
const seen: TwinRecord = { kind: "seen", atMs: 1, why: "duplicate", count: 2 };

/** The same records as values for a writer of Avro. */
const telemetryValue = {
  ...{ id: "a", atMs: telemetry.atMs, tsMs: telemetry.tsMs, region: "eu" },
  ...{ readings: telemetry.readings, flags: telemetry.flags, identity: { "doppel.Sequence": { boot: "b", seq: 7 } } },
};
const { kind: _, ...letterFields } = letter;
const written: [topic: LogTopic, record: TwinRecord, value: object, ofNext: object][] = [
  ["iot-telemetry", telemetry, telemetryValue, { unit: { temperature: "°C" } }],
  ["dead-letter", letter, { id: "a", ...letterFields }, { severity: 1 }],
  [
    "device-events",
    seen,
    { id: "a", atMs: 1, kind: "seen", event: { "doppel.Seen": { why: "duplicate", count: 2, times: 5 } } },
    {},
  ],
];

describe.each(written)("%s", (topic, record, value, ofNext) => {
  const key = Buffer.from("pump-4");
  const wire = async (schema: string, of: object) => {
    const registry = openMemorySchemaRegistry();
    await registry.register(subjectOf(topic), released[topic]);
    const id = await registry.register(subjectOf(topic), schema); // BACKWARD, or it throws
    const head = Buffer.from([0, 0, 0, 0, id]);
    return { registry, bytes: Buffer.concat([head, avsc.Type.forSchema(JSON.parse(schema)).toBuffer(of)]) };
  };

  test("what the released version has written is read by this release", async () => {
    const { registry, bytes } = await wire(released[topic], value);
    const reader = openRecordReader(registry);
    await reader.learnFrom([bytes]);
    expect(reader.decode(key, bytes, 0)).toEqual({ offset: 0, id: "a", device: "pump-4", record });
  });

  test("what the next version writes is read by this release, which leaves alone what it does not know", async () => {
    const { registry, bytes } = await wire(next[topic], { ...value, ...ofNext });
    const codec = await openRecordCodec(registry); // an old release that starts beside the new one
    await codec.learnFrom([bytes]);
    expect(codec.decode(key, bytes, 0)).toEqual({ offset: 0, id: "a", device: "pump-4", record });
    const own = codec.encode({ id: "b", record });
    expect(codec.decode(key, own, 0).record).toEqual(record);
  });

  test("what this release writes is read by the next version, with defaults for what it has more", () => {
    const bytes = localRecordCodec().encode({ id: "a", record });
    const reader = valueReader(logSchemas[topic], next[topic]);
    const { value: found, end } = reader.read(bytes, 5);
    expect(end).toBe(bytes.length);
    const defaults = { "iot-telemetry": { unit: {} }, "dead-letter": { severity: 3 }, "device-events": {} }[topic];
    expect(found).toMatchObject({ id: "a", atMs: record.atMs, ...defaults });
    if (topic === "device-events")
      expect(found).toMatchObject({ event: { "doppel.Seen": { why: "duplicate", count: 2, times: 1 } } });
  });

  test("what the next version has written is read by the next version", () => {
    const type = avsc.Type.forSchema(JSON.parse(next[topic]));
    const bytes = type.toBuffer({ ...value, ...ofNext });
    expect(valueReader(next[topic], next[topic]).read(bytes, 0)).toMatchObject({ value: ofNext, end: bytes.length });
  });
});

test("a kind that only a newer release knows is a bad record, in words", async () => {
  const type = avsc.Type.forSchema(JSON.parse(next["device-events"]));
  const body = type.toBuffer({ id: "a", atMs: 1, kind: "painted", event: { "doppel.Painted": { colour: "red" } } });
  const reader = openRecordReader({ schema: async () => next["device-events"] });
  await reader.learn(1);
  const read = () => reader.decode(Buffer.from("pump"), Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), body]), 0);
  expect(read).toThrow(BadRecord);
  expect(read).toThrow("this release does not know its kind, doppel.Painted");
});
