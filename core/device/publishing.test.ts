import { expect, test } from "vitest";
import { isSoft, publishedId } from "./publishing.ts";
import type { TwinRecord } from "./records.ts";
import type { MessageIdentity } from "./telemetry.ts";

const at = (more: Partial<Parameters<typeof publishedId>[1]> = {}) => ({
  turn: "g1.7",
  index: 0,
  revision: 3,
  place: 0,
  ...more,
});
const reading = (identity: MessageIdentity, tsMs = 5, atMs = 9): TwinRecord => ({
  kind: "telemetry",
  atMs,
  tsMs,
  readings: { temperature: 20 },
  identity,
});
const seen: TwinRecord = { kind: "seen", atMs: 9, why: "heartbeat" };
const deleted: TwinRecord = { kind: "shadowDeleted", atMs: 9, shadow: "", version: 4 };

test("telemetry has the id of its message, whichever host decides on it, and when", () => {
  const identity: MessageIdentity = { kind: "sequence", boot: "b1", seq: 12 };
  expect(publishedId(reading(identity), at())).toBe(
    publishedId(reading(identity, 5, 900), at({ turn: "g2.1", revision: 8, place: 4 })),
  );
  expect(publishedId(reading({ ...identity, boot: "b2" }), at())).not.toBe(publishedId(reading(identity), at()));
});

test("a counter that begins anew without a boot makes no copies of what it counted before", () => {
  const identity: MessageIdentity = { kind: "sequence", boot: "", seq: 0 };
  expect(publishedId(reading(identity, 1_000), at())).not.toBe(publishedId(reading(identity, 2_000), at()));
});

test("an id that a device uses again for another time is another message", () => {
  const identity: MessageIdentity = { kind: "id", id: "a" };
  expect(publishedId(reading(identity, 1_000), at())).not.toBe(publishedId(reading(identity, 2_000), at()));
  // Without a time of its own the reading has that of its arrival, which is another one with each delivery.
  expect(publishedId(reading(identity, 9, 9), at())).toBe(publishedId(reading(identity, 10, 10), at()));
});

test("what is stored is named by its commit, and what is not by its turn", () => {
  expect(isSoft(deleted)).toBe(false);
  expect(publishedId(deleted, at({ place: 2 }))).toBe("d3.2");
  expect(isSoft(seen)).toBe(true);
  expect(publishedId(seen, at({ index: 1 }))).toBe("tg1.7.1");
});
