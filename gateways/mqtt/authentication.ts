import type { TwinHost } from "../../actors/host/port.ts";
import { deviceIdPattern } from "../../core/device/registration.ts";
import type { Credentials } from "../../ports/credentials/port.ts";
import type { MqttApplication } from "./broker-port.ts";

/**
 * Who a CONNECT comes from. A device's id is its user name, or its client id if it gives none; its token is the
 * password. An app's user name is "app" (or "app:name"), its API key the password. Certificates would come in here.
 */
export function authentication(options: {
  readonly host: TwinHost;
  /** Null where credentials are not required (loopback). */
  readonly credentials: Credentials | null;
  readonly openRegistry: boolean;
}): MqttApplication["authenticate"] {
  const { host, credentials, openRegistry } = options;
  return async ({ clientId, username, password }) => {
    // The AWS SDKs append "?SDK=…&Version=…" to the user name.
    const name = (username ?? "").split("?", 1)[0]!;
    const secret = password === null ? "" : Buffer.from(password).toString("utf8");
    if (name === "app" || name.startsWith("app:")) {
      const app = credentials === null ? name.slice(4) || "local" : await credentials.verify("app", secret);
      return app === null
        ? refusal("badCredentials", "the API key in the password is not known")
        : { kind: "accept", principal: { kind: "app", name: app } };
    }
    const device = name === "" ? clientId : name;
    if (!deviceIdPattern.test(device))
      return refusal("badClientId", "the device id (user name, else client id) needs 1 to 128 of a-z A-Z 0-9 : _ -");
    if (credentials !== null && (await credentials.verify("device", secret, device)) === null)
      return refusal("badCredentials", "user name and password are not a device id and its token");
    if (!openRegistry && (await host.ask(device, { kind: "read" })).kind === "unknownDevice")
      return refusal("notAuthorized", "the device is not in the registry");
    return { kind: "accept", principal: { kind: "device", device } };
  };
}

function refusal(code: "badCredentials" | "notAuthorized" | "badClientId", reason: string) {
  return { kind: "refuse" as const, code, reason };
}
