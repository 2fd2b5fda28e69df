import { expect, test } from "vitest";
import { openedWhenAsked } from "./opened-when-asked.ts";
import type { SinkTarget } from "./target.ts";

test("a server that is away is asked again by the next step, and opened once when it is there", async () => {
  let away = true;
  let opened = 0;
  const done: string[] = [];
  const target: SinkTarget = {
    name: "clickhouse",
    topics: ["iot-telemetry"],
    progress: async () => 7,
    progressIn: async () => 8,
    commit: async () => {},
    weigh: () => 3,
    chores: [{ name: "aggregates", everyMs: 1, run: async (nowMs) => void done.push(`aggregates ${nowMs}`) }],
    close: async () => void done.push("closed"),
  };
  const sink = openedWhenAsked({ name: "clickhouse", topics: ["iot-telemetry"] }, async () => {
    opened += 1;
    if (away) throw new Error("ECONNREFUSED");
    return target;
  });
  await expect(sink.progress()).rejects.toThrow("ECONNREFUSED");
  await sink.chores?.[0]?.run(1);
  await sink.close?.();
  expect(done).toEqual([]);
  away = false;
  expect(await Promise.all([sink.progress(), sink.progressIn("iot-telemetry/1")])).toEqual([7, 8]);
  await sink.chores?.[0]?.run(2);
  await sink.close?.();
  expect([opened, done]).toEqual([2, ["aggregates 2", "closed"]]);
});
