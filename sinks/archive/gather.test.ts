import fc from "fast-check";
import { expect, test } from "vitest";
import type { TwinRecord } from "../../core/device/records.ts";
import { ReadingColumns } from "../../ports/archive/columns.ts";
import type { LogItem } from "../consumer.ts";
import { rowsOf } from "../timeseries/fold.ts";
import { gather } from "./gather.ts";

const name = fc.constantFrom("pump-4", "temperature", "", "ümlaut", "__proto__", "z\u{1f600}");
const value = fc.oneof(fc.double({ noNaN: true }), fc.boolean(), fc.string({ unit: "binary" }));
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const anyItem: fc.Arbitrary<LogItem> = fc
  .record({
    offset: fc.nat(2 ** 40),
    device: fc.constantFrom("pump-4", "pump-5", "ümlaut"),
    kind: fc.constantFrom("telemetry", "telemetry", "telemetry", "cameOnline"),
    tsMs: fc.integer({ min: -8.64e15, max: 8.64e15 }),
    atMs: fc.nat(2 ** 42),
    readings: fc.dictionary(name, value, { maxKeys: 5 }),
    type: optional(name),
    region: optional(name),
    tags: optional(fc.dictionary(name, fc.string(), { noNullPrototype: true })),
    flags: optional(fc.dictionary(name, fc.array(fc.constantFrom("range", "stuck", "a,b"), { minLength: 1 }))),
  })
  .map(({ offset, device, ...record }) => ({ offset, entry: { device, record: record as unknown as TwinRecord } }));

test("columns hold every reading of the log as the time series gets it", () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyItem, { maxLength: 8 }), { maxLength: 4 }), (batches) => {
      const columns = new ReadingColumns();
      for (const items of batches) gather(columns, items);
      const rows = batches.flatMap((items) => rowsOf(items));
      expect(columns.length).toBe(rows.length);
      expect([...columns]).toEqual(rows);
    }),
  );
});

test("columns grow beyond what they begin with, and give parts of themselves", () => {
  const columns = new ReadingColumns();
  const rows = Array.from({ length: 5_000 }, (_, offset) => ({
    ...{ device: `pump-${offset % 7}`, metric: "level", tsMs: offset * 2, value: offset, offset, receivedAtMs: 1 },
    ...{ tags: { room: String(offset % 3) }, flags: null, type: "pump", region: "" },
  }));
  columns.addAll(rows);
  expect([...columns]).toEqual(rows);
  expect(columns.countBefore(4_000)).toBe(4_000);
  expect(columns.countBefore(9_000)).toBe(5_000);
  expect([...columns.part(3_990, 4_010)]).toEqual(rows.slice(3_990, 4_010));
});
