import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type DedupWindow,
  emptyWindow,
  namelessSize,
  remember,
  ringSize,
  sawBefore,
  windowFromJson,
  windowSize,
  windowToJson,
} from "./dedup-window.ts";
import type { MessageIdentity } from "./telemetry.ts";

const numbered = (seq: number, boot = "b1"): MessageIdentity => ({ kind: "sequence", boot, seq });
const named = (id: string): MessageIdentity => ({ kind: "id", id });
const hashed = (hash: number): MessageIdentity => ({ kind: "hash", hash });

function windowOf(...identities: MessageIdentity[]): DedupWindow {
  return identities.reduce(remember, emptyWindow);
}

function numbers(from: number, to: number, boot = "b1"): MessageIdentity[] {
  return Array.from({ length: to - from + 1 }, (_, index) => numbered(from + index, boot));
}

describe("sequence numbers", () => {
  test("a message is a duplicate once it has been seen, and not before", () => {
    const window = windowOf(numbered(7));
    expect([6, 7, 8].map((seq) => sawBefore(window, numbered(seq)))).toEqual([false, true, false]);
  });

  test("messages may overtake each other: what was skipped is new when it comes, once", () => {
    const window = windowOf(numbered(1), numbered(2), numbered(5));
    expect([1, 2, 3, 4, 5].map((seq) => sawBefore(window, numbered(seq)))).toEqual([true, true, false, false, true]);
    expect(sawBefore(remember(window, numbered(3)), numbered(3))).toBe(true);
  });

  test("a gateway that is thousands of messages behind the other one loses none of them", () => {
    const quick = Array.from({ length: 3_600 }, (_, index) => numbered(index * 2));
    const slow = Array.from({ length: 3_600 }, (_, index) => numbered(index * 2 + 1));
    const window = windowOf(...quick);
    expect(slow.filter((identity) => sawBefore(window, identity))).toEqual([]);
    const both = windowOf(...quick, ...slow);
    expect([...quick, ...slow].filter((identity) => !sawBefore(both, identity))).toEqual([]);
  });

  test("a number below the window is a duplicate where the device names its boot", () => {
    const window = windowOf(numbered(50_000));
    expect(sawBefore(window, numbered(50_000 - windowSize + 1))).toBe(false);
    expect(sawBefore(window, numbered(50_000 - windowSize))).toBe(true);
    expect(remember(window, numbered(50_000 - windowSize))).toBe(window);
  });

  test("a counter that begins anew after a restart is not taken for duplicates", () => {
    const withBoot = windowOf(...numbers(0, 300, "b1"), numbered(0, "b2"));
    expect(sawBefore(withBoot, numbered(1, "b2"))).toBe(false);
    const withoutBoot = windowOf(...numbers(1_000, 3_000, ""));
    expect(sawBefore(withoutBoot, numbered(0, ""))).toBe(false);
    const below = [3_000 - namelessSize, 3_000 - namelessSize + 1].map((seq) =>
      sawBefore(withoutBoot, numbered(seq, "")),
    );
    expect(below).toEqual([false, true]);
    const justBelow = numbered(3_000 - namelessSize, "");
    expect(sawBefore(remember(withoutBoot, justBelow), justBelow)).toBe(true);
    const anew = remember(withoutBoot, numbered(0, ""));
    expect([sawBefore(anew, numbered(0, "")), sawBefore(anew, numbered(1, ""))]).toEqual([true, false]);
  });

  test("late messages of the boot before still count as what they are", () => {
    const window = windowOf(numbered(1, "b1"), numbered(2, "b1"), numbered(1, "b2"));
    expect([2, 3].map((seq) => sawBefore(window, numbered(seq, "b1")))).toEqual([true, false]);
  });

  test("only the newest two boots are kept", () => {
    const window = windowOf(numbered(1, "b1"), numbered(1, "b2"), numbered(2, "b1"), numbered(1, "b3"));
    expect(windowToJson(window).boots.map(([boot]) => boot)).toEqual(["b3", "b2"]);
  });

  test("a device that skips nothing costs no bits", () => {
    expect(windowOf(...numbers(0, 2_000)).missing).toBe(0n);
    expect(windowOf(...numbers(50_000, 50_000 + windowSize)).missing).toBe(0n);
  });

  test("a device that begins at 1 costs one bit, until 0 is out of the window", () => {
    expect(windowOf(...numbers(1, 1_000)).missing).toBe(1n);
    expect(windowOf(...numbers(1, windowSize + 1_000)).missing).toBe(0n);
  });

  test("the bits stay within the window and a little below it, whatever the numbers", () => {
    const bound = 1n << BigInt(windowSize + 64);
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.maxSafeNat(), fc.nat(50_000))), (seqs) => {
        const { newest, missing, base } = windowOf(...seqs.map((seq) => numbered(seq)));
        expect(missing >= 0n && missing < bound).toBe(true);
        expect(missing === 0n || missing >> BigInt(newest - base) === 0n).toBe(true);
      }),
    );
  });
});

describe("ids and hashes", () => {
  test("are remembered, each kind by itself", () => {
    const window = windowOf(named("a"), hashed(7));
    expect([named("a"), named("b"), hashed(7), hashed(8), numbered(7)].map((one) => sawBefore(window, one))).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
  });

  test("the newest ones are known, and no more are kept", () => {
    const all = Array.from({ length: ringSize * 3 + 5 }, (_, index) => named(`m${index}`));
    const window = windowOf(...all);
    expect(window.hashes).toHaveLength(ringSize);
    const known = all.filter((identity) => sawBefore(window, identity));
    expect(known).toEqual(all.slice(-ringSize));
  });
});

/** Everything ever seen, in plain sets; what the window forgets by design is worked out from the same sets. */
class Naive {
  readonly #boots: { boot: string; seen: Set<number> }[] = [];
  readonly #others: string[] = [];

  saw(identity: MessageIdentity): boolean {
    if (identity.kind !== "sequence") return this.#others.slice(-ringSize).includes(JSON.stringify(identity));
    const seen = this.#boots.find(({ boot }) => boot === identity.boot)?.seen;
    if (seen === undefined) return false;
    return (
      seen.has(identity.seq) || identity.seq <= Math.max(...seen) - (identity.boot === "" ? namelessSize : windowSize)
    );
  }

  add(identity: MessageIdentity): void {
    if (identity.kind !== "sequence") {
      if (!this.saw(identity)) this.#others.push(JSON.stringify(identity));
      return;
    }
    const known = this.#boots.find(({ boot }) => boot === identity.boot);
    if (known !== undefined) known.seen.add(identity.seq);
    else this.#boots.unshift({ boot: identity.boot, seen: new Set([identity.seq]) });
    this.#boots.splice(2);
  }
}

const identity: fc.Arbitrary<MessageIdentity> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("sequence" as const),
      boot: fc.constantFrom("b1", "b2", "b3"),
      seq: fc.nat(60),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("sequence" as const), boot: fc.constant("b1"), seq: fc.nat(4_000) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("id" as const), id: fc.nat(120).map(String) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("hash" as const), hash: fc.nat(20) }) },
);

test("the window says what plain sets of everything say, also after a trip through JSON, and is never changed in place", () => {
  fc.assert(
    fc.property(
      fc.array(identity, { maxLength: 200, size: "max" }),
      fc.array(identity, { maxLength: 20 }),
      (sent, asked) => {
        let window = emptyWindow;
        const naive = new Naive();
        for (const each of sent) {
          expect(sawBefore(window, each)).toBe(naive.saw(each));
          const before = JSON.stringify(windowToJson(window));
          const next = remember(window, each);
          expect(JSON.stringify(windowToJson(window))).toBe(before);
          naive.add(each);
          window = next;
          expect(sawBefore(window, each)).toBe(true);
        }
        const revived = windowFromJson(JSON.parse(JSON.stringify(windowToJson(window))));
        expect(revived).toEqual(window);
        for (const each of asked) expect(sawBefore(revived, each)).toBe(naive.saw(each));
      },
    ),
    { numRuns: 150 },
  );
});
