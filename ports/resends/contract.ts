import { describe, expect, onTestFinished, test } from "vitest";
import type { Opened } from "../fleet-index/contract.ts";
import type { ResendClaim, Resends } from "./port.ts";

const payload = new TextEncoder().encode('{"readings":{"temperature":21.5},"id":"a\u0000"}');

function aClaim(claim: Partial<ResendClaim> = {}): ResendClaim {
  const by = { by: "operator", token: "t1", atMs: 1_000 };
  return { letter: "l1", device: "pump-4", ...by, correction: "", override: false, payload, ...claim };
}

const counted = { kind: "counted", accepted: 1, duplicates: 0, refused: 0 } as const;

/** The promises of `Resends` (N1, N2), for every implementation. */
export function resendsContract(name: string, open: () => Promise<Opened<Resends>>): void {
  async function opened(): Promise<Resends> {
    const { port, close } = await open();
    onTestFinished(close);
    return port;
  }

  describe(`${name} as Resends`, () => {
    test("of many who ask for a letter at the same time, one gets it", async () => {
      const port = await opened();
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, number) => port.claim(aClaim({ token: `t${number}` }), 0)),
      );
      expect(answers.map(({ kind }) => kind).sort()).toEqual(["claimed", ...Array(7).fill("taken")]);
      expect((await port.claim(aClaim({ letter: "l2" }), 0)).kind).toBe("claimed");
    });

    test("a settled letter stays settled, and tells what came of it", async () => {
      const port = await opened();
      await port.claim(aClaim(), 0);
      expect((await port.find(["l1", "l2"])).get("l1")).toEqual({
        ...{ letter: "l1", device: "pump-4", by: "operator", claimedAtMs: 1_000, tries: 1, correction: "" },
        ...{ override: false, payload },
        settled: null,
      });
      expect(await port.settle("l1", "t1", { atMs: 1_500, outcome: counted })).toBe(true);
      expect(await port.settle("l1", "t1", { atMs: 1_600, outcome: { kind: "taken" } })).toBe(false);
      await port.release("l1", "t1");
      const answer = await port.claim(aClaim({ token: "t2", atMs: 9_000 }), 8_000);
      expect(answer).toMatchObject({
        kind: "taken",
        resend: { tries: 1, payload: null, settled: { atMs: 1_500, outcome: counted } },
      });
      expect([...(await port.find(["l1", "l2"])).keys()]).toEqual(["l1"]);
    });

    test("a claim that nobody settled is taken over, with its payload, by one", async () => {
      const port = await opened();
      await port.claim(aClaim(), 0);
      const other = { payload: new Uint8Array([1]), by: "another" };
      expect((await port.claim(aClaim({ ...other, token: "t2", atMs: 2_000 }), 1_000)).kind).toBe("taken");
      const answers = await Promise.all(
        ["t3", "t4", "t5"].map((token) => port.claim(aClaim({ ...other, token, atMs: 3_000 }), 1_001)),
      );
      const taken = answers.findIndex(({ kind }) => kind === "takenOver");
      expect(answers[taken]).toMatchObject({ resend: { payload, tries: 2, claimedAtMs: 3_000, by: "another" } });
      expect(answers.filter(({ kind }) => kind === "takenOver")).toHaveLength(1);
      expect(await port.settle("l1", "t1", { atMs: 4_000, outcome: counted })).toBe(false);
      await port.release("l1", "t1");
      expect(await port.settle("l1", `t${taken + 3}`, { atMs: 4_000, outcome: counted })).toBe(true);
    });

    test("what was begun with one payload is not finished with another", async () => {
      const port = await opened();
      await port.claim(aClaim({ correction: "aaaa", override: true }), 0);
      expect((await port.claim(aClaim({ token: "t2", correction: "bbbb" }), 2_000)).kind).toBe("taken");
      expect((await port.claim(aClaim({ token: "t3", correction: "aaaa" }), 2_000)).kind).toBe("takenOver");
      const without = await port.claim(aClaim({ token: "t4", correction: "" }), 2_000);
      expect(without).toMatchObject({ kind: "takenOver", resend: { correction: "aaaa", override: true, tries: 3 } });
    });

    test("a claim that is given back was never there", async () => {
      const port = await opened();
      await port.claim(aClaim(), 0);
      await port.release("l1", "other");
      expect((await port.claim(aClaim({ token: "t2" }), 0)).kind).toBe("taken");
      await port.release("l1", "t1");
      expect((await port.find(["l1"])).size).toBe(0);
      expect((await port.claim(aClaim({ token: "t2" }), 0)).kind).toBe("claimed");
    });

    test("words may hold anything", async () => {
      const port = await opened();
      await port.claim(aClaim({ by: "\u0000\ud800" }), 0);
      const outcome = { kind: "refused", detail: "no \u0000 in\ud800" } as const;
      expect(await port.settle("l1", "t1", { atMs: 1, outcome })).toBe(true);
      expect((await port.find(["l1"])).get("l1")?.settled?.outcome.kind).toBe("refused");
    });
  });
}
