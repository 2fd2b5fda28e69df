import { describe, expect, test } from "vitest";
import { emptyWindow, remember } from "./dedup-window.ts";
import { earlierMessages, namedAgain, partOf } from "./resend.ts";
import type { MessageIdentity } from "./telemetry.ts";

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const json = (payload: Uint8Array) => JSON.parse(new TextDecoder().decode(payload));
const seen = (...identities: MessageIdentity[]) => identities.reduce(remember, emptyWindow);
const numbered = (seq: number, boot = ""): MessageIdentity => ({ kind: "sequence", boot, seq });
const readings = { temperature: 21.5 };

describe("a message that is sent again", () => {
  test("keeps its own id, and its own number where the twin knows that part of the sequence", () => {
    const own = [
      { id: "mine", readings },
      { seq: 17, boot: "b", readings },
      { seq: 19, boot: "b", readings },
    ];
    expect(json(namedAgain(bytes(own), "letter", seen(numbered(18, "b"))))).toEqual(own);
    expect(json(namedAgain(bytes(own[1]), "letter", emptyWindow))).toEqual(own[1]);
  });

  test("gets an identity from its dead letter where its number would say nothing, the same each time", () => {
    const window = seen(numbered(90_000), numbered(5, "new"));
    for (const old of [{ readings }, { seq: 17, readings }, { seq: 17, boot: "old", readings }]) {
      const named = json(namedAgain(bytes(old), "letter", window));
      expect(named).toEqual({ readings, id: expect.stringMatching(/^dead-letter-/) });
      expect(json(namedAgain(bytes(old), "letter", window))).toEqual(named);
      expect(json(namedAgain(bytes(old), "other", window)).id).not.toBe(named.id);
    }
  });

  test("of an array has one of its own", () => {
    const [first, second] = json(namedAgain(bytes([{ readings }, { readings }]), "letter", emptyWindow));
    expect(first.id).not.toBe(second.id);
  });

  test("that nobody can read stays as it is", () => {
    for (const payload of [bytes("{"), new Uint8Array([0xff]), bytes('{"seq":-1,"readings":{}}')])
      expect(namedAgain(payload, "letter", emptyWindow)).toEqual(payload);
    const deep = bytes(`${"[".repeat(200_000)}${"]".repeat(200_000)}`);
    expect(namedAgain(deep, "letter", emptyWindow)).toEqual(deep);
  });
});

describe("whether a message has arrived before", () => {
  const hashes = Array.from({ length: 64 }, (_, index): MessageIdentity => ({ kind: "id", id: `other-${index}` }));
  const kinds = (payload: unknown, window = emptyWindow) =>
    earlierMessages(bytes(payload), 5_000, window).map(({ kind }) => kind);

  test("is certain while the twin remembers that far", () => {
    expect(kinds([{ id: "a", readings }, { seq: 3, readings }, { seq: 4, readings }, {}])).toEqual([
      ...["missing", "missing", "missing", "missing"],
    ]);
    const window = seen({ kind: "id", id: "a" }, numbered(3));
    expect(
      kinds(
        [
          { id: "a", readings },
          { seq: 3, readings },
          { seq: 4, readings },
        ],
        window,
      ),
    ).toEqual([...["arrived", "arrived", "missing"]]);
  });

  test("is for history to say when it has forgotten", () => {
    const window = seen(...hashes, numbered(90_000), numbered(90_000, "b"));
    expect(
      kinds(
        [
          { id: "a", readings },
          { seq: 3, readings },
          { seq: 3, boot: "b", readings },
        ],
        window,
      ),
    ).toEqual([...["unsure", "unsure", "unsure"]]);
    expect(earlierMessages(bytes({ readings }), 5_000, window)[0]).toMatchObject({
      message: { tsMs: 5_000, readings },
    });
  });

  test("decides what of a payload goes out once more", () => {
    expect(json(partOf(bytes([1, 2, 3]), (index) => index !== 1)!)).toEqual([1, 3]);
    expect(partOf(bytes([1]), () => false)).toBeNull();
    expect(partOf(bytes({ readings }), () => false)).toBeNull();
    expect(json(partOf(bytes({ readings }), () => true)!)).toEqual({ readings });
  });
});
