import type { TwinHost } from "../../actors/host/port.ts";
import type { Credentials } from "../../ports/credentials/port.ts";
import type { MqttApplication } from "./broker-port.ts";
import { claimedPrincipal } from "./client-device.ts";

export type AuthenticationOptions = {
  readonly host: Pick<TwinHost, "ask">;
  /** Null where credentials are not required (loopback). */
  readonly credentials: Credentials | null;
  readonly openRegistry: boolean;
};

/**
 * Whether a CONNECT is taken, and from whom it comes; one decision for our own listener and for a broker that asks.
 * A device's token is the password; so is an app's API key. `certificateName`: the common name of a certificate that our
 * listener or the broker has verified (mTLS): it is the device's id and needs no token.
 */
export function authentication(options: AuthenticationOptions): MqttApplication["authenticate"] {
  const { host, credentials, openRegistry } = options;
  return async ({ clientId, username, password, certificateName }) => {
    const claimed =
      certificateName === undefined ? claimedPrincipal(username, clientId) : ofCertificate(certificateName);
    const secret = password === null ? "" : Buffer.from(password).toString("utf8");
    if (claimed.kind === "app") {
      const app = credentials === null ? claimed.name || "local" : await credentials.verify("app", secret);
      return app === null
        ? refusal("badCredentials", "the API key in the password is not known")
        : { kind: "accept", principal: { kind: "app", name: app } };
    }
    if (claimed.kind === "none")
      return refusal("badClientId", "the device id (user name, else client id) needs 1 to 128 of a-z A-Z 0-9 : _ -");
    const { device } = claimed;
    const needsToken = credentials !== null && certificateName === undefined;
    if (needsToken && (await credentials.verify("device", secret, device)) === null)
      return refusal("badCredentials", "user name and password are not a device id and its token");
    if (!openRegistry && (await host.ask(device, { kind: "read" })).kind === "unknownDevice")
      return refusal("notAuthorized", "the device is not in the registry");
    return { kind: "accept", principal: { kind: "device", device } };
  };
}

/** A certificate names a device, never an app. */
function ofCertificate(name: string): ReturnType<typeof claimedPrincipal> {
  const claimed = claimedPrincipal(null, name);
  return claimed.kind === "app" ? { kind: "none" } : claimed;
}

function refusal(code: "badCredentials" | "notAuthorized" | "badClientId", reason: string) {
  return { kind: "refuse" as const, code, reason };
}
