import { commandsTopic } from "../../../core/wire/topics.ts";
import type { Principal } from "../broker-port.ts";

/** A rule of EMQX 5.8's access list, as the answer to an authentication carries it: the first that matches decides. */
export type AccessRule = {
  readonly permission: "allow" | "deny";
  readonly action: "publish" | "subscribe" | "all";
  readonly topic: string;
};

/**
 * What a client may do at a broker that asks nobody per message; what no rule names is denied (`no_match = deny`).
 * The same as at our own listener: a device speaks and hears below its own id, an app everywhere, and neither speaks in
 * the name of the system. Device ids hold nothing that means something in a topic filter.
 */
export function accessList(principal: Principal): readonly AccessRule[] {
  if (principal.kind === "app")
    return [
      deny("publish", "presence/#"),
      deny("publish", commandsTopic("+")),
      ...shadowRequests("+").map((topic) => allow("publish", topic)),
      allow("all", "#"),
      allow("subscribe", "$aws/#"),
    ];
  const { device } = principal;
  return [
    deny("publish", commandsTopic(device)),
    allow("all", `devices/${device}/#`),
    ...shadowRequests(device).map((topic) => allow("publish", topic)),
    allow("subscribe", `$aws/things/${device}/#`),
  ];
}

function shadowRequests(device: string): string[] {
  const shadows = [`$aws/things/${device}/shadow`, `$aws/things/${device}/shadow/name/+`];
  return shadows.flatMap((shadow) => ["get", "update", "delete"].map((operation) => `${shadow}/${operation}`));
}

function allow(action: AccessRule["action"], topic: string): AccessRule {
  return { permission: "allow", action, topic };
}

function deny(action: AccessRule["action"], topic: string): AccessRule {
  return { permission: "deny", action, topic };
}
