import fc from "fast-check";
import { expect, test } from "vitest";
import { Acknowledgements } from "./acknowledgements.ts";

test("acknowledgements leave in the order of the publishes, each as soon as no earlier one is open", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([...Array(40).keys()], { minLength: 40 }), (order) => {
      const sent: number[] = [];
      const acknowledgements = new Acknowledgements<string>((pending, outcome) => {
        expect(outcome).toBe(`outcome ${pending.packetId}`);
        sent.push(pending.packetId);
      });
      const pending = order.map((_, i) => acknowledgements.expect(1, i));
      const decided = new Set<number>();
      for (const i of order) {
        acknowledgements.settle(pending[i]!, `outcome ${i}`);
        acknowledgements.settle(pending[i]!, "a second decision");
        decided.add(i);
        let due = 0;
        while (decided.has(due)) due++;
        expect(sent).toEqual([...Array(due).keys()]);
        expect(acknowledgements.size).toBe(40 - due);
      }
    }),
  );
});
