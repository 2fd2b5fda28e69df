import { effect, signal } from "@preact/signals";
import { apiKey } from "./api-key.ts";
import { backoffMs } from "./backoff.ts";
import type { LiveMessage } from "./contract.ts";

/**
 * One WebSocket to /v1/live for the whole page: keeps it open, says again what we follow after each reconnect, and
 * hands out messages. What is lost in between is not patched up: `resyncs` grows, and whoever shows data fetches anew.
 */
export type Following = "fleet" | `device:${string}` | `region:${string}`;

export const connection = signal<"connecting" | "open" | "waiting">("connecting");
/** Grows when messages may have been missed: the server said `resync`, or the connection was broken. */
export const resyncs = signal(0);

const steadyMs = 5_000;
const followed = new Map<Following, number>();
const listeners = new Set<(message: LiveMessage) => void>();
let socket: WebSocket | null = null;
let attempt = 0;
let retry: ReturnType<typeof setTimeout> | undefined;
let everOpen = false;

/** Follows `what` until the returned function is called; `onMessage` sees every message of the connection. */
export function follow(what: Following, onMessage: (message: LiveMessage) => void): () => void {
  listeners.add(onMessage);
  const before = followed.get(what) ?? 0;
  followed.set(what, before + 1);
  if (before === 0) tell("subscribe", [what]);
  return () => {
    listeners.delete(onMessage);
    const left = (followed.get(what) ?? 1) - 1;
    if (left > 0) {
      followed.set(what, left);
      return;
    }
    followed.delete(what);
    tell("unsubscribe", [what]);
  };
}

/** Connects, before anyone follows anything: the page shows at once whether it is live. */
export function start(): void {
  if (socket === null && retry === undefined) open();
}

function open(): void {
  clearTimeout(retry);
  retry = undefined;
  connection.value = "connecting";
  const address = new URL("/v1/live", location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  if (apiKey.value) address.searchParams.set("key", apiKey.value);
  const opened = new WebSocket(address);
  let steady: ReturnType<typeof setTimeout> | undefined;
  socket = opened;
  opened.onopen = () => {
    connection.value = "open";
    steady = setTimeout(() => {
      attempt = 0;
    }, steadyMs);
    if (everOpen) resyncs.value += 1;
    everOpen = true;
    tell("subscribe", [...followed.keys()]);
  };
  opened.onmessage = (event) => {
    const message = JSON.parse(String(event.data)) as LiveMessage;
    if (message.type === "resync") resyncs.value += 1;
    for (const listener of listeners) listener(message);
  };
  opened.onclose = () => {
    clearTimeout(steady);
    if (socket !== opened) return;
    socket = null;
    connection.value = "waiting";
    retry = setTimeout(open, backoffMs(attempt, Math.random()));
    attempt += 1;
  };
}

function tell(verb: "subscribe" | "unsubscribe", what: Following[]): void {
  if (socket?.readyState !== WebSocket.OPEN || what.length === 0) return;
  const named = (prefix: string) => what.filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length));
  const devices = named("device:");
  const regions = named("region:");
  socket.send(
    JSON.stringify({
      [verb]: {
        ...(what.includes("fleet") ? { fleet: true } : {}),
        ...(devices.length > 0 ? { devices } : {}),
        ...(regions.length > 0 ? { regions } : {}),
      },
    }),
  );
}

/** Tries again at once: the network is back, or there is a new key. */
function hurry(): void {
  attempt = 0;
  if (connection.value !== "waiting") return;
  open();
}

addEventListener("online", hurry);
effect(() => {
  if (apiKey.value) queueMicrotask(hurry);
});
