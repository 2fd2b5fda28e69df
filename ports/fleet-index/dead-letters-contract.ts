import { describe, expect, onTestFinished, test } from "vitest";
import type { DeadLettered } from "../../core/device/records.ts";
import type { Opened } from "./contract.ts";
import type { DeadLetterFilter, FleetIndex } from "./port.ts";
import { deadLettered, noonMs, numbered, registered } from "./testing.ts";

const all = { cursor: null, limit: 100 };

function aLetter(atMs: number, letter: Partial<DeadLettered> = {}): DeadLettered {
  return { ...(deadLettered("not-utf8", atMs) as DeadLettered), ...letter };
}

/** What `FleetIndex` promises of dead letters. */
export function deadLettersContract(name: string, open: () => Promise<Opened<FleetIndex>>): void {
  async function opened(): Promise<FleetIndex> {
    const { port, close } = await open();
    onTestFinished(close);
    return port;
  }

  describe(`${name} as FleetIndex of dead letters`, () => {
    test("finds them by device, reason, broken rule, type, region and time, newest first", async () => {
      const port = await opened();
      const broken = [
        { rule: "range", metric: "temperature" },
        { rule: "range", metric: "humidity" },
        { rule: "stuck", metric: "humidity" },
      ];
      const entries = numbered(0, [
        ["a", registered()],
        ["a", aLetter(noonMs)],
        ["a", aLetter(noonMs + 1, { reason: "quarantined", type: "pump", region: "eu", broken })],
        ["b", aLetter(noonMs + 2, { reason: "quarantined", type: "fan", region: "eu", broken: broken.slice(2) })],
      ]);
      await port.apply(entries, { from: 0, to: 4 });
      const offsets = async (filter: DeadLetterFilter) =>
        (await port.deadLetters(filter, all)).items.map(({ offset }) => offset);
      expect(await offsets({})).toEqual([3, 2, 1]);
      expect(await offsets({ device: "a" })).toEqual([2, 1]);
      expect(await offsets({ reason: "quarantined" })).toEqual([3, 2]);
      expect(await offsets({ reason: "quarantined", device: "b" })).toEqual([3]);
      expect([await offsets({ rule: "range" }), await offsets({ rule: "stuck" })]).toEqual([[2], [3, 2]]);
      expect([await offsets({ rule: "rang" }), await offsets({ rule: "\u0000" })]).toEqual([[], []]);
      expect([await offsets({ type: "fan" }), await offsets({ type: "default" })]).toEqual([[3], [1]]);
      expect([await offsets({ region: "eu" }), await offsets({ region: "" })]).toEqual([[3, 2], [1]]);
      expect(await offsets({ fromMs: noonMs + 1, toMs: noonMs + 2 })).toEqual([2]);
    });

    test("pages go on where they ended", async () => {
      const port = await opened();
      const letters = Array.from({ length: 7 }, (_, index) => ["a", aLetter(noonMs + (index >> 1))] as const);
      await port.apply(numbered(0, letters), { from: 0, to: 7 });
      const seen: number[] = [];
      let cursor: string | null = null;
      do {
        const page: Awaited<ReturnType<FleetIndex["deadLetters"]>> = await port.deadLetters(
          { reason: "not-utf8" },
          { cursor, limit: 3 },
        );
        seen.push(...page.items.map(({ offset }) => offset));
        cursor = page.next;
      } while (cursor !== null);
      expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0]);
    });

    test("one is found by its place, whole, until it is trimmed", async () => {
      const port = await opened();
      const letter = aLetter(noonMs + 0.5, { payload: '{"reason":"\u0000\ud800"}', detail: 'not "reason":"x"' });
      await port.apply(numbered(7, [["a", letter]]), { from: 0, to: 8, partition: "dead-letter/0" });
      await port.apply(numbered(7, [["b", aLetter(noonMs)]]), { from: 0, to: 8, partition: "dead-letter/1" });
      const place = { device: "a", atMs: noonMs + 0.5, offset: 7 };
      expect(await port.deadLetter(place)).toEqual({ device: "a", offset: 7, record: letter });
      for (const other of [{ device: "c" }, { offset: 8 }, { atMs: noonMs }])
        expect(await port.deadLetter({ ...place, ...other })).toBeNull();
      await port.trimEvents(noonMs + 1);
      expect(await port.deadLetter(place)).toBeNull();
    });
  });
}
