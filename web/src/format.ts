import type { Json } from "../../core/json.ts";

const wholes = new Intl.NumberFormat("en");
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** 12345 → "12,345"; 21.53719 → "21.54"; 0.001234 → "0.001234": four digits that matter, no exponent where avoidable. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return wholes.format(value).replace("-", "−");
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return value.toExponential(3).replaceAll("-", "−");
  if (size >= 1000) return wholes.format(Math.round(value * 10) / 10).replace("-", "−");
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

/** A reading or a shadow's leaf, as a person writes it. */
export function formatValue(value: Json | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "number") return formatNumber(value);
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

/** JSON on one line, exact, with a space after each comma so that it can wrap; "" for nothing at all. */
export function formatJson(value: Json | undefined): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) return `[${value.map(formatJson).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}: ${formatJson(field)}`);
  return fields.length === 0 ? "{}" : `{${fields.join(", ")}}`;
}

/** The largest unit that says enough: "now", "12 s", "5 min", "3 h", "8 d", "2 y". */
export function formatDuration(ms: number): string {
  if (ms < secondMs) return "now";
  if (ms < minuteMs) return `${Math.floor(ms / secondMs)} s`;
  if (ms < hourMs) return `${Math.floor(ms / minuteMs)} min`;
  if (ms < 2 * dayMs) return `${Math.floor(ms / hourMs)} h`;
  if (ms < 730 * dayMs) return `${Math.floor(ms / dayMs)} d`;
  return `${Math.floor(ms / (365 * dayMs))} y`;
}

/** "12 s ago"; the future, too: "in 5 min". */
export function formatAgo(atMs: number, nowMs: number): string {
  const distance = nowMs - atMs;
  if (Math.abs(distance) < secondMs || (distance < 0 && distance > -5 * secondMs)) return "now";
  return distance > 0 ? `${formatDuration(distance)} ago` : `in ${formatDuration(-distance)}`;
}

/** Local time, as short as is clear: "14:03:22" today, "21 Nov 14:03" this year, "21 Nov 2024 14:03" before. */
export function formatLocal(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const today = new Date(nowMs);
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (at.toDateString() === today.toDateString()) return `${clock}:${two(at.getSeconds())}`;
  const day = `${at.getDate()} ${months[at.getMonth()]}`;
  return at.getFullYear() === today.getFullYear() ? `${day} ${clock}` : `${day} ${at.getFullYear()} ${clock}`;
}

/** "2026-11-21 14:03:22.123 UTC" */
export function formatUtc(atMs: number): string {
  return `${new Date(atMs).toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

/** The value of `<input type="datetime-local">` for a moment, in local time, to the minute. */
export function toLocalInput(atMs: number): string {
  const at = new Date(atMs);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** "deadLettered" → "dead lettered", "malformed-json" → "malformed JSON": a code's words. */
export function formatWords(code: string): string {
  return code
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .replace(/[-_]/g, " ")
    .toLowerCase()
    .replace(/\bjson\b/g, "JSON")
    .replace(/\butf8\b/g, "UTF-8");
}

function two(part: number): string {
  return String(part).padStart(2, "0");
}
