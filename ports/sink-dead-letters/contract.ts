import { describe, expect, onTestFinished, test } from "vitest";
import { contentLimit, type SinkDeadLetter, type SinkDeadLetters } from "./port.ts";

export type Opened<Port> = { readonly port: Port; close(): Promise<void> };

const nowMs = Date.UTC(2025, 10, 21, 12);

export function sinkDeadLettersContract(name: string, open: () => Promise<Opened<SinkDeadLetters>>): void {
  async function opened(): Promise<SinkDeadLetters> {
    const { port, close } = await open();
    onTestFinished(close);
    return port;
  }

  describe(`${name} as SinkDeadLetters`, () => {
    test("what is set aside is listed with its reason, newest first, and counted by sink", async () => {
      const port = await opened();
      expect([await port.list({ limit: 9 }), await port.counts()]).toEqual([[], {}]);
      await port.add([aLetter({ offset: 1 }), aLetter({ offset: 2 })]);
      await port.add([aLetter({ sink: "fleet", partition: "device-events/1" })]);
      const letters = await port.list({ limit: 9 });
      const plain = letters.map(({ number, ...letter }) => letter);
      const ofFleet = aLetter({ sink: "fleet", partition: "device-events/1" });
      expect(plain).toEqual([ofFleet, aLetter({ offset: 2 }), aLetter({ offset: 1 })]);
      expect(await port.list({ limit: 9, sink: "fleet" })).toHaveLength(1);
      expect(await port.counts()).toEqual({ timeseries: 2, fleet: 1 });
      const [, second] = letters;
      const rest = await port.list({ limit: 1, after: second!.number });
      expect(rest).toMatchObject([{ offset: 1 }]);
    });

    test("what is added again stays as it was", async () => {
      const port = await opened();
      await port.add([aLetter(), aLetter()]);
      await port.add([aLetter({ reason: "another" }), aLetter({ part: "humidity" })]);
      expect((await port.list({ limit: 9 })).map(({ part, reason }) => [part, reason])).toEqual([
        ["humidity", "too long"],
        ["temperature", "too long"],
      ]);
    });

    test("any text is taken, only what is very long is cut", async () => {
      const port = await opened();
      const part = "long\u0000 \ud83d".repeat(9_000);
      await port.add([aLetter({ part, content: "x".repeat(contentLimit + 9) })]);
      const [letter] = await port.list({ limit: 1 });
      expect(letter!.content).toHaveLength(contentLimit);
    });

    test("old ones are forgotten", async () => {
      const port = await opened();
      await port.add([aLetter(), aLetter({ offset: 2, atMs: nowMs + 1 })]);
      expect(await port.trim(nowMs + 1)).toBe(1);
      expect(await port.counts()).toEqual({ timeseries: 1 });
    });
  });
}

function aLetter(letter: Partial<SinkDeadLetter> = {}): SinkDeadLetter {
  return {
    ...{ sink: "timeseries", partition: "", offset: 7, part: "temperature", device: "pump-4" },
    ...{ reason: "too long", content: '{"value":1}', atMs: nowMs },
    ...letter,
  };
}
