import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import type { TwinRecord } from "../../core/device/records.ts";
import { type EventLog, type EventLogReader, LogBroken, type LogEntry, LogTaken } from "./port.ts";

export type OpenedLog = {
  readonly log: EventLog;
  /** Reads what `log` writes, without the writer's place. */
  readonly reader: EventLogReader;
  /** Ends the writer as a dead process would and opens the log anew. */
  readonly reopen: () => Promise<EventLog>;
  /** Tries to open a second writer beside the first. */
  readonly openSecond: () => Promise<EventLog>;
  /** Lets the next append fail. */
  readonly breakNextAppend: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** The promises of `EventLog` (port.ts) as tests. */
export function eventLogContract(name: string, open: () => Promise<OpenedLog>): void {
  async function opened(): Promise<OpenedLog> {
    const log = await open();
    onTestFinished(log.close);
    return log;
  }

  describe(`${name} as EventLog`, () => {
    test("an empty log begins and ends at 0 and has nothing to read", async () => {
      const { log } = await opened();
      expect([await log.start(), await log.end()]).toEqual([0, 0]);
      expect(await log.read(0, 10)).toEqual({ entries: [], next: 0 });
      expect(await log.append([])).toBe(0);
      expect(await log.end()).toBe(0);
    });

    test("records come back in order, each once, with the offsets that append told", async () => {
      const { log, reader } = await opened();
      expect(await log.append(batch(0, 3))).toBe(0);
      expect(await log.append(batch(3, 1))).toBe(3);
      expect(await log.append([])).toBe(4);
      expect(await log.append(batch(4, 2))).toBe(4);
      expect(await log.end()).toBe(6);
      expect(await reader.end()).toBe(6);
      expect(await reader.read(0, 100)).toEqual({ entries: numbered(0, 6), next: 6 });
    });

    test("a time leads to the oldest batch that was appended then or later", async () => {
      const { log, reader } = await opened();
      await log.append(batch(0, 3));
      await new Promise((resolve) => setTimeout(resolve, 20)); // the database's clock is its own
      const betweenMs = Date.now() - 10;
      await log.append(batch(3, 3));
      expect(await reader.offsetAt(0)).toBe(0);
      expect(await reader.offsetAt(betweenMs)).toBe(3);
      expect(await reader.offsetAt(Date.now() + 3_600_000)).toBe(6);
    });

    test("reading may begin inside a batch, and goes on at next", async () => {
      const { log } = await opened();
      await log.append(batch(0, 5));
      await log.append(batch(5, 5));
      await log.append(batch(10, 5));
      expect(await log.read(7, 1)).toEqual({ entries: numbered(7, 10), next: 10 });
      expect(await log.read(4, 2)).toEqual({ entries: numbered(4, 10), next: 10 });
      expect(await log.read(10, 5)).toEqual({ entries: numbered(10, 15), next: 15 });
      expect(await log.read(15, 5)).toEqual({ entries: [], next: 15 });
    });

    test("a writer that opens the log after another one died goes on where it ended", async () => {
      const { log, reopen } = await opened();
      await log.append(batch(0, 4));
      const second = await reopen();
      expect(await second.end()).toBe(4);
      expect(await second.append(batch(4, 2))).toBe(4);
      expect(await second.read(0, 100)).toEqual({ entries: numbered(0, 6), next: 6 });
    });

    test("a second append before the first has resolved is refused and harms nothing", async () => {
      const { log } = await opened();
      const first = log.append(batch(0, 2));
      await expect(log.append(batch(2, 1))).rejects.toThrow("Await it first");
      expect(await first).toBe(0);
      expect(await log.append(batch(2, 1))).toBe(2);
    });

    test("after an append has failed the log takes nothing more, until it is opened anew", async () => {
      const { log, reader, breakNextAppend, reopen } = await opened();
      await log.append(batch(0, 2));
      await breakNextAppend();
      const failure = await log.append(batch(2, 1)).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(LogBroken);
      expect(failure).toMatchObject({ code: "LOG_BROKEN", retry: "never" });
      await expect(log.append(batch(2, 1))).rejects.toBeInstanceOf(LogBroken);
      await expect(log.append([])).rejects.toBeInstanceOf(LogBroken);
      const end = await reader.end();
      expect([2, 3]).toContain(end);
      expect(await (await reopen()).append(batch(end, 1))).toBe(end);
    });

    test("a second writer is refused while the first lives", async () => {
      const { log, openSecond } = await opened();
      const failure = await openSecond().catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(LogTaken);
      expect(failure).toMatchObject({ code: "LOG_TAKEN", retry: "later" });
      expect(await log.append(batch(0, 1))).toBe(0);
    });

    test("what is trimmed is gone, offsets stay, and reading below the start begins at the start", async () => {
      const { log } = await opened();
      for (const first of [0, 5, 10]) await log.append(batch(first, 5));
      expect(await log.trim({ offset: 9, epochMs: later })).toBe(1);
      expect(await log.start()).toBe(5);
      expect(await log.read(0, 5)).toEqual({ entries: numbered(5, 10), next: 10 });
      expect(await log.trim({ offset: 9, epochMs: later })).toBe(0);
    });

    test("batches younger than the limit stay, however far the readers are", async () => {
      const { log } = await opened();
      await log.append(batch(0, 5));
      expect(await log.trim({ offset: 5, epochMs: 0 })).toBe(0);
      expect(await log.start()).toBe(0);
    });

    test("a log that was trimmed whole goes on at its end, also when it is opened anew", async () => {
      const { log, reopen } = await opened();
      await log.append(batch(0, 5));
      await log.append(batch(5, 1));
      expect(await log.trim({ offset: 6, epochMs: later })).toBe(2);
      expect([await log.start(), await log.end()]).toEqual([6, 6]);
      expect(await log.read(0, 10)).toEqual({ entries: [], next: 6 });
      const second = await reopen();
      expect(await second.end()).toBe(6);
      expect(await second.append(batch(6, 2))).toBe(6);
      expect(await second.read(0, 10)).toEqual({ entries: numbered(6, 8), next: 8 });
    });

    test("any string survives: NUL, lone surrogates, newlines, quotes, __proto__", async () => {
      const { log } = await opened();
      await fc.assert(
        fc.asyncProperty(fc.array(anyEntry, { minLength: 1, maxLength: 5 }), async (entries) => {
          const first = await log.append(entries);
          const back = await log.read(first, 1);
          expect(back.entries.map(({ entry }) => entry)).toEqual(entries);
        }),
        { numRuns: 30 },
      );
    });

    test("whatever the batches and the reads are, walking the log gives every record once", async () => {
      const { log } = await opened();
      let end = 0;
      for (const count of [1, 7, 2, 30, 1, 1, 12]) {
        await log.append(batch(end, count));
        end += count;
      }
      await fc.assert(
        fc.asyncProperty(fc.nat(end), fc.integer({ min: 1, max: 40 }), async (from, atMost) => {
          const seen: unknown[] = [];
          for (let at = from; at < end; ) {
            const { entries, next } = await log.read(at, atMost);
            expect(next).toBeGreaterThan(at);
            seen.push(...entries);
            at = next;
          }
          expect(seen).toEqual(numbered(from, end));
        }),
        { numRuns: 20 },
      );
    });
  });
}

const later = 4_102_444_800_000; // the year 2100

function batch(first: number, count: number): LogEntry[] {
  return Array.from({ length: count }, (_, index) => entryNumber(first + index));
}

function numbered(from: number, to: number): { offset: number; entry: LogEntry }[] {
  return batch(from, to - from).map((entry, index) => ({ offset: from + index, entry }));
}

function entryNumber(offset: number): LogEntry {
  return {
    device: `pump-${offset % 3}`,
    record: {
      kind: "telemetry",
      atMs: 1_700_000_000_000 + offset,
      tsMs: 1_700_000_000_000,
      readings: { temperature: 20.5 + offset, open: true, mode: "eco" },
      identity: { kind: "sequence", boot: "b", seq: offset },
    },
  };
}

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\0", "\ud800", "\udfff\ud800", 'a\n"b"\\', "__proto__", "\u2028"),
);
const anyEntry: fc.Arbitrary<LogEntry> = fc
  .tuple(anyText, fc.dictionary(anyText, fc.oneof(anyText, fc.boolean(), fc.constantFrom(0, 1.5, -3e300))))
  .map(([device, readings]) => {
    const record: TwinRecord = { kind: "telemetry", atMs: 1, tsMs: 2, readings, identity: { kind: "id", id: device } };
    return { device, record };
  });
