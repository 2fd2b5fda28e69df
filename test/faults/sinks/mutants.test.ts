/** The kill tests, tried themselves. */
import { isDeepStrictEqual } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { clickHouseIsHere } from "../../../deploy/native/testing.ts";
import { openKillHarness } from "./kill-harness.ts";
import { mutants } from "./mutants.ts";

const found = mutants.filter(({ sink }) => sink !== "clickhouse" || clickHouseIsHere);

for (const { sink, mutant } of found)
  test(`of the ${sink} sink, one that ${mutant} is found`, { timeout: 300_000 }, async () => {
    const right = await openKillHarness(sink);
    onTestFinished(() => right.close());
    const wrong = await openKillHarness(sink, mutant);
    onTestFinished(() => wrong.close());
    const { outcome: expected } = await right.undisturbed();
    const { points, outcome } = await wrong.undisturbed();
    expect(outcome, "without a crash nothing is to be seen").toEqual(expected);
    for (const point of points) {
      const made = await wrong.outcomeAfter(point, "cut").catch((error: Error) => error);
      if (made instanceof Error || !isDeepStrictEqual(made, expected)) return;
    }
    expect.fail(`It was killed at ${points.length} points, and nothing was wrong.`);
  });
