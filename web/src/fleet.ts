import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "./api.ts";
import type { Stats } from "./contract.ts";
import { useLive } from "./use-live.ts";
import { useResource } from "./use-resource.ts";

/** Fleet numbers: asked for once, then each second from the live connection. */
export const stats = signal<Stats | null>(null);
/** Messages per second of the last minute or so, oldest first. */
export const rates = signal<number[]>([]);
const kept = 90;

export function useFleetStats() {
  const first = useResource("stats", api.stats);
  useEffect(() => {
    if (first.data) stats.value = first.data;
  }, [first.data]);
  useLive("fleet", (message) => {
    if (message.type !== "stats") return;
    stats.value = message;
    rates.value = [...rates.value.slice(1 - kept), message.messagesPerSecond];
  });
  return first;
}

/** The names of the types that there are. */
export function typeNames(from: Stats): string[] {
  return from.types.map(({ type }) => type).sort();
}
