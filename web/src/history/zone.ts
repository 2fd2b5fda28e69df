import type { Zone } from "./view.ts";

/** Times as the history page writes them: in local time or UTC, as exact as what is shown. */
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const minuteMs = 60_000;
const dayMs = 86_400_000;

/** The name that the API knows the zone by (IANA). */
export function zoneName(zone: Zone): string {
  return zone === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** "21 Nov 2026 14:03:22.123": to the ms below a minute shown, to the second below two days, else to the minute. */
export function formatMoment(atMs: number, zone: Zone, spanMs: number): string {
  const { year, month, day, hour, minute, second, ms } = partsOf(atMs, zone);
  const clock = `${two(hour)}:${two(minute)}`;
  const seconds = spanMs < 2 * dayMs ? `:${two(second)}` : "";
  const fraction = spanMs <= minuteMs ? `.${String(ms).padStart(3, "0")}` : "";
  return `${day} ${months[month]} ${year} ${clock}${seconds}${fraction}`;
}

/** "20 Nov 2026 14:03 – 21 Nov 2026 14:03"; the day once where both ends are of it. */
export function formatStretch(fromMs: number, toMs: number, zone: Zone): string {
  const [from, to] = [formatMoment(fromMs, zone, toMs - fromMs), formatMoment(toMs, zone, toMs - fromMs)];
  const dayOf = (text: string) => text.slice(0, text.lastIndexOf(" ") + 1);
  return `${from} – ${dayOf(from) === dayOf(to) ? to.slice(dayOf(to).length) : to}`;
}

/** The value of `<input type="datetime-local" step="1">` for a moment. */
export function toInput(atMs: number, zone: Zone): string {
  const { year, month, day, hour, minute, second } = partsOf(atMs, zone);
  return `${String(year).padStart(4, "0")}-${two(month + 1)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}`;
}

/** The moment of such a value; NaN for one that is none. */
export function fromInput(value: string, zone: Zone): number {
  return Date.parse(zone === "utc" ? `${value}Z` : value);
}

const steps: [ms: number, one: string, many: string][] = [
  [365 * dayMs, "year", "years"],
  [dayMs, "day", "days"],
  [3_600_000, "hour", "hours"],
  [minuteMs, "minute", "minutes"],
  [1000, "second", "seconds"],
];

/** A span in words: "7 days", "1 hour", "1.5 hours", "250 ms". */
export function formatSpan(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const [, stepMs, one, many] = stepOf(ms);
  const count = Math.round((ms / stepMs) * 10) / 10;
  return `${count} ${count === 1 ? one : many}`;
}

/** A bucket's width as an adjective: "1-minute", "15-minute", "1-hour". */
export function formatWidth(ms: number): string {
  if (ms < 1000) return `${ms}-ms`;
  const [, stepMs, one] = stepOf(ms);
  return `${Math.round((ms / stepMs) * 100) / 100}-${one}`;
}

function stepOf(ms: number): [number, number, string, string] {
  const found = steps.find(([stepMs]) => ms >= stepMs * (stepMs === 365 * dayMs ? 1 : 0.999)) ?? steps[4];
  const [stepMs, one, many] = found as (typeof steps)[number];
  return [ms, stepMs, one, many];
}

function partsOf(atMs: number, zone: Zone) {
  const at = new Date(atMs);
  return zone === "utc"
    ? {
        year: at.getUTCFullYear(),
        month: at.getUTCMonth(),
        day: at.getUTCDate(),
        hour: at.getUTCHours(),
        minute: at.getUTCMinutes(),
        second: at.getUTCSeconds(),
        ms: at.getUTCMilliseconds(),
      }
    : {
        year: at.getFullYear(),
        month: at.getMonth(),
        day: at.getDate(),
        hour: at.getHours(),
        minute: at.getMinutes(),
        second: at.getSeconds(),
        ms: at.getMilliseconds(),
      };
}

function two(part: number): string {
  return String(part).padStart(2, "0");
}
