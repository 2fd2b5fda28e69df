import { expect, test } from "vitest";
import type { BreakerState } from "./breaker.ts";
import { circuitsOf, partitionSinkProbe, sinkProbes } from "./health.ts";
import type { PartitionSink } from "./partition-sink.ts";

test("a sink that stores what it reads is well, however far behind", async () => {
  expect(await asked(null, "closed")).toEqual({ ok: true, detail: "9 records behind" });
  expect(await asked(null, null)).toEqual({ ok: true, detail: "9 records behind" });
});

test("a failed commit and a circuit that is not closed are told", async () => {
  expect(await asked("disk full", "closed")).toEqual({ ok: false, detail: "disk full" });
  expect(await asked("disk full", "open")).toEqual({
    ok: false,
    detail: "disk full, the circuit to its storage is open",
  });
  expect(await asked(null, "half-open")).toMatchObject({ ok: false, detail: expect.stringContaining("half-open") });
});

test("of partitions it is told how many wait, but not why: that may name hosts", async () => {
  const troubles = new Map([["iot-telemetry/3", "connect ECONNREFUSED 10.0.0.7:5432"]]);
  const sink: PartitionSink = {
    ...{ name: "timeseries", records: () => 0, progress: async () => 0, take: async () => {} },
    troubles: () => troubles,
  };
  const probe = partitionSinkProbe({ breaker: () => "open" }, sink);
  expect(await probe.check()).toEqual({
    ok: false,
    detail: "1 partition waits, iot-telemetry/3 among them, the circuit to its storage is open; the log says why",
  });
  troubles.clear();
  expect(await partitionSinkProbe({ breaker: () => "closed" }, sink).check()).toEqual({ ok: true });
  expect(await partitionSinkProbe({ breaker: () => "half-open" }, sink).check()).toEqual({ ok: true });
  expect(await partitionSinkProbe({ breaker: () => "open" }, sink).check()).toMatchObject({ ok: false });
});

test("in the cluster's view a circuit is told that is not closed", () => {
  expect(circuitsOf({ timeseries: "closed", fleet: null, archive: "open", quality: "half-open" })).toEqual({
    ...{ circuitArchive: "open", circuitQuality: "half-open" },
  });
});

async function asked(error: string | null, breaker: BreakerState | null) {
  const stats = { timeseries: { progress: 1, records: 1, error, breaker, lag: 9 } };
  const [probe] = sinkProbes({ stats: () => stats });
  return probe!.check();
}
