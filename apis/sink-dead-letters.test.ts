import { afterEach, beforeEach, expect, test } from "vitest";
import type { SinkDeadLetter } from "../ports/sink-dead-letters/port.ts";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const path = "/v1/sink-dead-letters";

test("what a sink's storage refused is listed with its place and its reason", async () => {
  await api.parts.sinkDeadLetters.add([aLetter(), aLetter({ offset: 8, partition: "iot-telemetry/3", part: "" })]);
  const { status, body } = await api.json("GET", path);
  const first = { sink: "timeseries", partition: null, offset: 7, part: "temperature", device: "pump-4" };
  const told = { reason: "too long", content: '{"value":1}', at: "2026-11-21T12:00:00.000Z" };
  expect([status, body]).toEqual([
    200,
    {
      items: [
        { ...first, ...told, offset: 8, partition: "iot-telemetry/3", part: null },
        { ...first, ...told },
      ],
      next: null,
    },
  ]);
});

test("its pages hold each letter once, newest first, also while new ones come", async () => {
  const { sinkDeadLetters } = api.parts;
  await sinkDeadLetters.add(Array.from({ length: 5 }, (_, offset) => aLetter({ offset })));
  const offsets: number[] = [];
  for (let cursor = ""; ; ) {
    const { body } = await api.json("GET", `${path}?limit=2${cursor}`);
    offsets.push(...body.items.map((letter: SinkDeadLetter) => letter.offset));
    await sinkDeadLetters.add([aLetter({ offset: 100 + offsets.length })]);
    if (body.next === null) break;
    cursor = `&cursor=${body.next}`;
  }
  expect(offsets).toEqual([4, 3, 2, 1, 0]);
});

test("it is filtered by sink, and takes no cursor that is not its own", async () => {
  await api.parts.sinkDeadLetters.add([aLetter(), aLetter({ sink: "clickhouse" })]);
  const { body } = await api.json("GET", `${path}?sink=clickhouse`);
  expect(body.items).toMatchObject([{ sink: "clickhouse" }]);
  expect(await api.json("GET", `${path}?cursor=cHVtcC00`)).toMatchObject({
    status: 400,
    body: { type: "urn:doppel:problem:bad-cursor" },
  });
});

function aLetter(letter: Partial<SinkDeadLetter> = {}): SinkDeadLetter {
  return {
    ...{ sink: "timeseries", partition: "", offset: 7, part: "temperature", device: "pump-4" },
    ...{ reason: "too long", content: '{"value":1}', atMs: 1_795_262_400_000 },
    ...letter,
  };
}
