/** Each sink killed between every two of its steps; whoever goes on makes what an undisturbed run makes. */
import { describe, expect, onTestFinished, test } from "vitest";
import { clickHouseIsHere } from "../../../deploy/native/testing.ts";
import { openKillHarness } from "./kill-harness.ts";
import { faultSinks } from "./sink-run.ts";

/** At so many points, spread over all of them, by kill -9; at the others by cutting its connections. */
const kills = Number(process.env.DOPPEL_FAULT_KILLS ?? 4);

const sinks = faultSinks.filter((sink) => sink !== "clickhouse" || clickHouseIsHere);

describe.each(sinks)("the %s sink, killed between any two of its steps,", (sink) => {
  test("makes each row, aggregate, file and count once when it goes on", { timeout: 900_000 }, async () => {
    const harness = await openKillHarness(sink);
    onTestFinished(() => harness.close());
    const { points, outcome: expected } = await harness.undisturbed();
    expect(points.length).toBeGreaterThanOrEqual(4);
    for (const rows of Object.values(expected)) expect(rows.length).toBeGreaterThan(0);
    const isKilled = (index: number) =>
      Math.floor((index * kills) / points.length) !== Math.floor(((index - 1) * kills) / points.length);
    for (const [index, point] of [...points, "end"].entries()) {
      const found = await harness.outcomeAfter(point, isKilled(index) ? "kill" : "cut");
      expect(found, `killed before ${point}`).toEqual(expected);
    }
  });
});
