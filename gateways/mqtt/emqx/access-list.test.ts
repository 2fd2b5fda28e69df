import fc from "fast-check";
import { expect, test } from "vitest";
import { isPresenceTopic, ownerOf, routeOf } from "../../../core/wire/topics.ts";
import type { Principal } from "../broker-port.ts";
import { type AccessRule, accessList } from "./access-list.ts";

const pump: Principal = { kind: "device", device: "pump-4" };
const app: Principal = { kind: "app", name: "wall" };

/** As EMQX decides: the first rule whose filter covers the topic, or the filter that is subscribed; else no. */
function may(principal: Principal, action: "publish" | "subscribe", topic: string): boolean {
  const rule = accessList(principal).find(
    (each: AccessRule) => (each.action === action || each.action === "all") && covers(each.topic, topic),
  );
  return rule?.permission === "allow";
}

/** MQTT 5.0 §4.7, also for filters that are covered by filters. */
function covers(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  if (topic.startsWith("$") && wanted[0] !== levels[0]) return false;
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true;
    if (index >= levels.length || (level !== "+" && level !== levels[index]) || levels[index] === "#") return false;
  }
  return wanted.length === levels.length;
}

const level = fc.constantFrom(
  ...["devices", "pump-4", "pump-5", "telemetry", "heartbeat", "status", "commands", "c1", "ack", "$aws", "things"],
  ...["shadow", "name", "config", "get", "update", "delete", "accepted", "delta", "presence", "$SYS", "notes", ""],
);
const topic = fc.oneof(
  fc.array(level, { minLength: 1, maxLength: 7 }).map((levels) => levels.join("/")),
  fc.array(level, { maxLength: 4 }).map((levels) => ["devices", "pump-4", ...levels].join("/")),
  fc.array(level, { maxLength: 5 }).map((levels) => ["$aws/things/pump-4/shadow", ...levels].join("/")),
);

test("a device may publish and subscribe exactly what our own listener lets it", () => {
  fc.assert(
    fc.property(topic, (name) => {
      const route = routeOf(name);
      const own = route.kind !== "free" && route.kind !== "reserved" && route.device === "pump-4";
      // A shadow name that cannot be is the gateway's to refuse, with a dead letter.
      if (!(route.kind === "reserved" && name.includes("/shadow/name/"))) expect(may(pump, "publish", name)).toBe(own);
      if (name.split("/").length > 2) expect(may(pump, "subscribe", name)).toBe(ownerOf(name) === "pump-4");
    }),
    { numRuns: 2_000 },
  );
});

test("an app may publish whatever the system alone does not, and hear everything", () => {
  fc.assert(
    fc.property(topic, (name) => {
      // EMQX has no filter for "an id": what looks like the commands of one is taken for it.
      const commands = /^devices\/[^/]*\/commands$/.test(name);
      const system = routeOf(name).kind === "reserved" || commands || isPresenceTopic(name) || name === "presence";
      const unknownShadow = name.includes("/shadow/name/") || name.startsWith("$");
      if (!unknownShadow) expect(may(app, "publish", name)).toBe(!system);
      expect(may(app, "subscribe", name)).toBe(!name.startsWith("$") || name.startsWith("$aws"));
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ["subscribe", "devices/#", false],
  ["subscribe", "devices/+/commands", false],
  ["subscribe", "devices/pump-4/#", true],
  ["subscribe", "devices/pump-4/+", true],
  ["subscribe", "$aws/things/pump-4/shadow/#", true],
  ["subscribe", "$aws/things/+/shadow/update/delta", false],
  ["publish", "devices/pump-4/commands", false],
  ["publish", "devices/pump-4/commands/c1/ack", true],
  ["publish", "$aws/things/pump-4/shadow/update/delta", false],
  ["publish", "$aws/things/pump-4/shadow/name/config/update", true],
  ["publish", "presence/pump-4", false],
  ["subscribe", "presence/pump-4", false],
] as const)("a device may %s %s: %s", (action, name, allowed) => {
  expect(may(pump, action, name)).toBe(allowed);
});
