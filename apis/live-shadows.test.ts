import { expect, test } from "vitest";
import type { CommittedTurn } from "../actors/host/port.ts";
import type { TwinRecord } from "../core/device/records.ts";
import { evolveShadow, type Shadow } from "../core/device/shadow.ts";
import { LiveShadows } from "./live-shadows.ts";

let atMs = 1_000;
const updated = (version: number, desired: Record<string, number>) =>
  ({ kind: "shadowUpdated", atMs: atMs++, shadow: "", version, desired, by: "app" }) as const;
const deleted = (version: number) => ({ kind: "shadowDeleted", atMs: atMs++, shadow: "", version, by: "app" }) as const;
const turn = (...records: TwinRecord[]): CommittedTurn => ({ device: "pump-4", region: "", records, sends: [] });

/** Version and state of what is told; a deletion has no state. */
function told({ records, sends }: CommittedTurn) {
  const [record] = records;
  const [send] = sends;
  const body = send?.kind === "shadowDocuments" ? (send.body.current as { state: object }) : undefined;
  return [(record as { version: number }).version, body?.state ?? null];
}

function live(shadow?: Shadow) {
  const later: unknown[] = [];
  const reads: string[] = [];
  const shadows = new LiveShadows(async (device) => {
    reads.push(device);
    return shadow === undefined ? {} : { "": shadow };
  });
  const take = (...records: TwinRecord[]) =>
    shadows.completed(turn(...records), (each) => later.push(told(each))).map(told);
  return { take, later, reads };
}

test("a shadow that is made, changed and deleted is told whole each time, and nobody is asked", () => {
  const { take, reads } = live();
  expect(take(updated(1, { a: 1 }), updated(2, { b: 2 }), deleted(2), updated(3, { c: 3 }))).toEqual([
    [1, { desired: { a: 1 }, delta: { a: 1 } }],
    [2, { desired: { a: 1, b: 2 }, delta: { a: 1, b: 2 } }],
    [2, null],
    [3, { desired: { c: 3 }, delta: { c: 3 } }],
  ]);
  expect(reads).toEqual([]);
});

test("a copy is not told again", () => {
  const { take } = live();
  const first = updated(1, { a: 1 });
  const second = updated(2, { a: 2 });
  take(first, second);
  expect(take(first, second)).toEqual([]);
});

test("an unknown shadow is asked for once, and what comes meanwhile is told after it", async () => {
  const seventh = evolveShadow(undefined, updated(7, { a: 7 }));
  const { take, later, reads } = live(seventh);
  expect(take(updated(6, { a: 6 }), updated(7, { a: 7 }), updated(8, { b: 8 }))).toEqual([]);
  await expect.poll(() => later).toHaveLength(2);
  expect(later).toEqual([
    [7, { desired: { a: 7 }, delta: { a: 7 } }],
    [8, { desired: { a: 7, b: 8 }, delta: { a: 7, b: 8 } }],
  ]);
  expect(reads).toEqual(["pump-4"]);
});

test("a turn whose host has told the documents is left as it is", () => {
  const shadows = new LiveShadows(async () => ({}));
  const sends = [{ kind: "shadowDocuments", shadow: "", body: {} }] as const;
  const whole = { ...turn(updated(9, { a: 1 })), sends };
  expect(shadows.completed(whole, () => expect.unreachable())).toEqual([whole]);
});
