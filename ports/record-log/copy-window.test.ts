import fc from "fast-check";
import { expect, test } from "vitest";
import { CopyWindow, hash53 } from "./copy-window.ts";

const hashes = fc.array(fc.nat(12), { maxLength: 80 });

test("a record is a copy exactly when the same one is among the newest records before it", () => {
  fc.assert(
    fc.property(fc.nat(10), hashes, (size, noted) => {
      const window = new CopyWindow(size);
      for (const [index, hash] of noted.entries())
        expect(window.note(hash)).toBe(noted.slice(Math.max(0, index - size), index).includes(hash));
    }),
  );
});

test("a window that noted the newest records only says the same as one that noted all", () => {
  fc.assert(
    fc.property(fc.nat(10), hashes, hashes, (size, before, after) => {
      const old = new CopyWindow(size);
      for (const hash of before) old.note(hash);
      const anew = new CopyWindow(size);
      for (const hash of size === 0 ? [] : before.slice(-size)) anew.note(hash);
      for (const hash of after) expect(anew.note(hash)).toBe(old.note(hash));
    }),
  );
});

test("hashes are safe integers, and near ids of near devices do not collide", () => {
  const seen = new Set<number>();
  for (let device = 0; device < 300; device += 1)
    for (let id = 0; id < 300; id += 1) {
      const hash = hash53(`pump-${device}`, `d${id}.0`);
      expect(Number.isSafeInteger(hash) && hash >= 0).toBe(true);
      seen.add(hash);
    }
  for (const [device, id] of [
    ["a", "b"],
    ["ab", ""],
    ["", "ab"],
    ["b", "a"],
  ] as const)
    seen.add(hash53(device, id));
  expect(seen.size).toBe(300 * 300 + 4);
});

test("a hash's bits are even: each is set in about half of many", () => {
  const counts = Array(53).fill(0);
  for (let id = 0; id < 4_000; id += 1) {
    const bits = hash53("pump-1", `boot:${id}`).toString(2).padStart(53, "0");
    for (let bit = 0; bit < 53; bit += 1) counts[bit] += Number(bits[bit]);
  }
  for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(250);
});
