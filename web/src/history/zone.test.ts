import { expect, test } from "vitest";
import { formatMoment, formatSpan, formatStretch, formatWidth, fromInput, toInput } from "./zone.ts";

const at = Date.UTC(2026, 10, 21, 14, 3, 22, 123);

test("a moment is as exact as what is shown around it", () => {
  expect(formatMoment(at, "utc", 30_000)).toBe("21 Nov 2026 14:03:22.123");
  expect(formatMoment(at, "utc", 3_600_000)).toBe("21 Nov 2026 14:03:22");
  expect(formatMoment(at, "utc", 30 * 86_400_000)).toBe("21 Nov 2026 14:03");
});

test("a stretch within a day names the day once", () => {
  expect(formatStretch(at - 3_600_000, at, "utc")).toBe("21 Nov 2026 13:03:22 – 14:03:22");
  expect(formatStretch(at - 7 * 86_400_000, at, "utc")).toBe("14 Nov 2026 14:03 – 21 Nov 2026 14:03");
});

test("what is typed into a field of time is the moment it shows, in either zone", () => {
  for (const zone of ["utc", "local"] as const) {
    expect(fromInput(toInput(at, zone), zone)).toBe(at - 123);
  }
  expect(fromInput("", "utc")).toBeNaN();
});

test("spans and widths in words", () => {
  expect([250, 1000, 90_000, 3_600_000, 86_400_000, 7 * 86_400_000, 730 * 86_400_000].map(formatSpan)).toEqual([
    "250 ms",
    "1 second",
    "1.5 minutes",
    "1 hour",
    "1 day",
    "7 days",
    "2 years",
  ]);
  expect([1000, 60_000, 900_000, 3_600_000, 86_400_000].map(formatWidth)).toEqual([
    "1-second",
    "1-minute",
    "15-minute",
    "1-hour",
    "1-day",
  ]);
});
