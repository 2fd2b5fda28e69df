import { deviceIdPattern } from "../../core/device/registration.ts";

/** Who an MQTT client says it is, before anybody has checked. */
export type ClaimedPrincipal =
  | { readonly kind: "device"; readonly device: string }
  | { readonly kind: "app"; readonly name: string }
  /** Neither: no id that a device can have. */
  | { readonly kind: "none" };

/**
 * A device's id is its user name, or its client id if it gives none. The AWS SDKs append "?SDK=…&Version=…" to the user
 * name. An app's user name is "app" or "app:name".
 */
export function claimedPrincipal(username: string | null, clientId: string): ClaimedPrincipal {
  const name = (username ?? "").split("?", 1)[0]!;
  if (name === "app" || name.startsWith("app:")) return { kind: "app", name: name.slice(4) };
  const device = name === "" ? clientId : name;
  return deviceIdPattern.test(device) ? { kind: "device", device } : { kind: "none" };
}
