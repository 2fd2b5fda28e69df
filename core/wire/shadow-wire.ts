/**
 * The topics of AWS IoT's Device Shadow service (AWS IoT Developer Guide, "Device Shadow MQTT topics").
 * What the messages say is core/device/shadow.ts.
 */
import { deviceIdPattern } from "../device/registration.ts";
import { everyShadow, type ShadowAnswer } from "../device/shadow.ts";
import { shadowNamePattern } from "../device/shadow-limits.ts";

/** A request to the shadow of a device; `shadow` is "" for the classic one. */
export type ShadowTopic = {
  readonly device: string;
  readonly shadow: string;
  readonly operation: ShadowAnswer["operation"];
};

/**
 * What a publish to `$aws/things/{thing}/shadow[/name/{shadow}]/(get|update|delete)` asks; null for any other topic,
 * also for those of the answers, and for a name that no thing or shadow can have.
 */
export function parseShadowTopic(topic: string): ShadowTopic | null {
  const levels = topic.split("/");
  const [aws, things, device = "", service] = levels;
  if (aws !== "$aws" || things !== "things" || service !== "shadow" || !deviceIdPattern.test(device)) return null;
  const named = levels[4] === "name";
  const shadow = named ? (levels[5] ?? "") : "";
  if (named && !shadowNamePattern.test(shadow)) return null;
  const [operation, ...more] = levels.slice(named ? 6 : 4);
  if (more.length > 0 || (operation !== "get" && operation !== "update" && operation !== "delete")) return null;
  return { device, shadow, operation };
}

/** Where the answer to a request goes: `…/{operation}/accepted` or `…/rejected`. */
export function answerTopic(device: string, shadow: string, { operation, kind }: ShadowAnswer): string {
  return `${prefix(device, shadow)}/${operation}/${kind}`;
}

export function deltaTopic(device: string, shadow: string): string {
  return `${prefix(device, shadow)}/update/delta`;
}

export function documentsTopic(device: string, shadow: string): string {
  return `${prefix(device, shadow)}/update/documents`;
}

function prefix(device: string, shadow: string): string {
  return `$aws/things/${device}/shadow${shadow === "" ? "" : `/name/${shadow}`}`;
}

/**
 * The shadow of `device` whose deltas a subscription to `filter` hears: its name, `everyShadow` if it may be several,
 * null if none.
 */
export function listeningShadow(filter: string, device: string): string | null {
  const classic = matches(filter, deltaTopic(device, ""));
  const level = filter.split("/")[5] ?? "";
  const name = shadowNamePattern.test(level) ? level : "any";
  const named = matches(filter, deltaTopic(device, name));
  if (!named) return classic ? "" : null;
  return name === level ? name : everyShadow;
}

/**
 * Whether a topic filter matches a topic without wildcards.
 * MQTT 3.1.1 §4.7: `+` is one level, `#` all that follow, the parent too; neither stands for a first level with `$`.
 */
function matches(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  if (topic.startsWith("$") && wanted[0] !== levels[0]) return false;
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return index === wanted.length - 1;
    if (index >= levels.length || (level !== "+" && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}
