import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseTelemetry } from "../core/device/telemetry.ts";
import { badPayload, complianceWith, reconnectDelayMs } from "./behaviour.ts";
import { registryLines, simulatedFleet } from "./fleet.ts";
import { readOptions } from "./options.ts";
import { seeded } from "./random.ts";
import { readRecordedSeries } from "./recorded-series.ts";
import { batteryAt, dewPoint, readingsAt, temperatureAt } from "./signals.ts";

const nowMs = Date.UTC(2026, 5, 1, 12);

describe("a simulated fleet", () => {
  test("is the same for the same seed and another for another", () => {
    const lines = (seed: number) => registryLines(simulatedFleet(50, "sim-", seed, 0.1, nowMs));
    expect(lines(7)).toBe(lines(7));
    expect(lines(7)).not.toBe(lines(8));
  });

  test("sends messages that every twin takes", () => {
    const random = seeded(3);
    for (const { profile } of simulatedFleet(200, "sim-", 3, 0, nowMs)) {
      const readings = readingsAt(profile, { unit: "F" }, nowMs, random);
      const payload = new TextEncoder().encode(JSON.stringify({ ts: nowMs, readings }));
      expect(parseTelemetry(payload, nowMs, 1_000)).toMatchObject([{ kind: "message" }]);
    }
  });

  test("sends bad messages that no twin takes", () => {
    const random = seeded(4);
    for (let round = 0; round < 200; round += 1) {
      for (const parsed of parseTelemetry(badPayload(random), nowMs, 1_000)) expect(parsed.kind).toBe("refused");
    }
  });
});

describe("signals", () => {
  test("follow the day: warmest in the afternoon, coldest twelve hours later", () => {
    const [{ profile }] = simulatedFleet(1, "sim-", 1, 0, nowMs) as [ReturnType<typeof simulatedFleet>[number]];
    const local = (hour: number) => Date.UTC(2026, 5, 1, hour) - (profile.longitude / 15) * 3_600_000;
    expect(temperatureAt(profile, local(15))).toBeCloseTo(profile.meanTemperature + profile.dailySwing, 6);
    expect(temperatureAt(profile, local(3))).toBeCloseTo(profile.meanTemperature - profile.dailySwing, 6);
  });

  test("the dew point is the temperature in saturated air and lies below it else", () => {
    expect(dewPoint(20, 100)).toBeCloseTo(20, 6);
    expect(dewPoint(25, 60)).toBeCloseTo(16.7, 1);
  });

  test("a battery stays between empty and full", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), (at) => {
        const [{ profile }] = simulatedFleet(1, "sim-", 1, 0, nowMs) as [ReturnType<typeof simulatedFleet>[number]];
        const percent = batteryAt(profile, at);
        return percent >= 0 && percent <= 100;
      }),
    );
  });
});

describe("behaviour", () => {
  test("reconnects later and later, at random, up to about a minute", () => {
    const random = seeded(5);
    for (let attempt = 1; attempt < 30; attempt += 1) {
      const delay = reconnectDelayMs(attempt, random);
      expect(delay).toBeGreaterThanOrEqual(200);
      expect(delay).toBeLessThanOrEqual(60_200);
    }
    expect(reconnectDelayMs(1, () => 0.999)).toBeLessThan(2_300);
  });

  test("obeys reboot and config and rejects what it does not know", () => {
    expect(complianceWith("reboot", {})).toEqual({ kind: "reboot" });
    expect(complianceWith("config", { unit: "F" })).toEqual({ kind: "configure", settings: { unit: "F" } });
    expect(complianceWith("dance", {})).toMatchObject({ kind: "reject" });
  });
});

describe("a recorded series", () => {
  test("keeps every row, equal times included, and takes times as UTC", () => {
    const { readings } = readRecordedSeries("timestamp,value\n2013-07-04 00:00:00,69.5\n2013-07-04 00:00:00,69.5\n");
    expect(readings).toEqual([
      { tsMs: Date.UTC(2013, 6, 4), value: 69.5 },
      { tsMs: Date.UTC(2013, 6, 4), value: 69.5 },
    ]);
  });

  test("that cannot be read names the line", () => {
    expect(() => readRecordedSeries("timestamp,value\n2013-07-04 00:00:00,1\nlater,2\n")).toThrow(/Line 3/);
    expect(() => readRecordedSeries("timestamp,value\n2013-07-04 00:00:00,\n")).toThrow(/Line 2/);
  });
});

test("every wrong option is told at once", () => {
  const read = readOptions(["--devices", "none", "--rate=-1"]);
  expect(read).toMatchObject({ kind: "problems" });
  expect((read as { problems: string[] }).problems).toHaveLength(2);
});
