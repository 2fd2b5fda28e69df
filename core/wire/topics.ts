/**
 * Doppel's MQTT topics: what a publish to a topic means, and where answers to a device go.
 * A device may publish and subscribe only below its own id.
 */
import { deviceIdPattern } from "../device/registration.ts";
import { parseShadowTopic, type ShadowTopic } from "./shadow-wire.ts";

export type Route =
  | { readonly kind: "telemetry" | "heartbeat" | "status"; readonly device: string }
  | { readonly kind: "commandAck"; readonly device: string; readonly command: string }
  | ({ readonly kind: "shadow" } & ShadowTopic)
  /** Below a device's id, without a meaning of ours: delivered to subscribers, as any broker would. */
  | { readonly kind: "plain"; readonly device: string }
  /** A `$aws` topic that we do not serve, or one that only we publish to. */
  | { readonly kind: "reserved"; readonly device: string | null }
  /** Not below any device's id. */
  | { readonly kind: "free" };

/** What a publish to `topic` means. */
export function routeOf(topic: string): Route {
  if (topic.startsWith("devices/")) return deviceRoute(topic);
  if (!topic.startsWith("$")) return { kind: "free" };
  const shadow = parseShadowTopic(topic);
  if (shadow !== null) return { kind: "shadow", ...shadow };
  return { kind: "reserved", device: thingOf(topic) };
}

function deviceRoute(topic: string): Route {
  const parts = topic.split("/");
  const device = parts[1] ?? "";
  if (!deviceIdPattern.test(device)) return { kind: "free" };
  if (parts.length === 3) {
    const leaf = parts[2]!;
    if (leaf === "telemetry" || leaf === "heartbeat" || leaf === "status") return { kind: leaf, device };
    if (leaf === "commands") return { kind: "reserved", device };
  }
  if (parts.length === 5 && parts[2] === "commands" && parts[4] === "ack")
    return { kind: "commandAck", device, command: parts[3]! };
  return { kind: "plain", device };
}

/** The device that a topic or filter lies below; null if it lies below none, or names it by a wildcard. */
export function ownerOf(topicOrFilter: string): string | null {
  const parts = topicOrFilter.split("/", 2);
  if (parts[0] === "devices") return parts[1] !== undefined && deviceIdPattern.test(parts[1]) ? parts[1] : null;
  return parts[0] === "$aws" ? thingOf(topicOrFilter) : null;
}

/** Where a device hears its commands. */
export function commandsTopic(device: string): string {
  return `devices/${device}/commands`;
}

/** Whether a filter below the device's own id matches its commands topic. */
export function matchesCommands(filter: string, device: string): boolean {
  const own = `devices/${device}`;
  return (
    filter === `${own}/commands` || filter === `${own}/#` || filter === `${own}/+` || filter === `${own}/commands/#`
  );
}

/** Where a broker of its own tells us who comes and goes. Nobody else may publish there. */
export function isPresenceTopic(topic: string): boolean {
  return topic.startsWith("presence/");
}

function thingOf(topic: string): string | null {
  const parts = topic.split("/", 4);
  if (parts[0] !== "$aws" || parts[1] !== "things") return null;
  return parts[2] !== undefined && deviceIdPattern.test(parts[2]) ? parts[2] : null;
}
