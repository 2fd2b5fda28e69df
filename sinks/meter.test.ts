import { expect, test } from "vitest";
import { openMetrics } from "../ports/metrics/prometheus.ts";
import type { BreakerState } from "./breaker.ts";
import { meterSinks, type SinkNumbers } from "./meter.ts";

test("each sink's lag, circuit and refused parts are shown under its name", async () => {
  const shown = await scrape({
    lag: () => ({ timeseries: 7, fleet: 0 }),
    breakers: () => ({ timeseries: "open", fleet: null, archive: "half-open" }),
    deadLetters: async () => ({ timeseries: 3 }),
  });
  expect(await shown()).toEqual([
    'doppel_sink_lag_records{sink="timeseries"} 7',
    'doppel_sink_lag_records{sink="fleet"} 0',
    'doppel_sink_breaker{sink="timeseries"} 2',
    'doppel_sink_breaker{sink="archive"} 1',
    'doppel_sink_dead_letters{sink="timeseries"} 3',
  ]);
});

test("a closed circuit is 0, and shown", async () => {
  const breakers = (): Record<string, BreakerState> => ({ timeseries: "closed" });
  const shown = await scrape({ lag: () => ({}), breakers, deadLetters: async () => ({}) });
  expect(await shown()).toEqual(['doppel_sink_breaker{sink="timeseries"} 0']);
});

test("while the database is away what it said last is shown", async () => {
  let away = false;
  const shown = await scrape({
    lag: () => ({}),
    breakers: () => ({}),
    deadLetters: async () => {
      if (away) throw new Error("connection refused");
      return { timeseries: 3 };
    },
  });
  const before = await shown();
  away = true;
  expect([before, await shown()]).toEqual(Array(2).fill(['doppel_sink_dead_letters{sink="timeseries"} 3']));
});

async function scrape(numbers: SinkNumbers) {
  const metrics = openMetrics();
  meterSinks(metrics, numbers);
  return async () => (await metrics.registry.metrics()).split("\n").filter((line) => /^doppel_sink/.test(line));
}
