/** What a simulated device does wrong or slowly, and how long it waits: pure, with randomness handed in. */
import type { Random } from "./random.ts";

/** Shares of messages (0 to 1), except `losses`: connection losses per device and minute. */
export type Misbehaviour = { readonly duplicates: number; readonly bad: number; readonly losses: number };

/** Milliseconds before the next attempt: exponential with full jitter, from 1 s up to a minute. */
export function reconnectDelayMs(attempt: number, random: Random): number {
  return Math.round(200 + random() * Math.min(60_000, 1_000 * 2 ** Math.min(attempt, 10)));
}

/** A message that no twin can take, each wrong in another way. */
export function badPayload(random: Random): Buffer {
  const bad = [
    '{"readings":{"temperature":',
    '{"readings":{"temperature":{"value":21}}}',
    '{"readings":{}}',
    '{"temperature":21.5}',
    '{"ts":"yesterday","readings":{"temperature":21}}',
    '{"ts":32503680000000,"readings":{"temperature":21}}',
    "[]",
    "hello",
  ];
  const index = Math.floor(random() * (bad.length + 1));
  return index === bad.length ? Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) : Buffer.from(bad[index]!);
}

/** What the device makes of a command. */
export type Compliance =
  | { readonly kind: "reboot" }
  | { readonly kind: "configure"; readonly settings: Record<string, unknown> }
  | { readonly kind: "reject"; readonly reason: string };

export function complianceWith(name: string, parameters: unknown): Compliance {
  if (name === "reboot") return { kind: "reboot" };
  if (name === "config")
    return typeof parameters === "object" && parameters !== null
      ? { kind: "configure", settings: parameters as Record<string, unknown> }
      : { kind: "reject", reason: "config needs an object of settings" };
  return { kind: "reject", reason: `this device knows reboot and config, not ${name}` };
}
