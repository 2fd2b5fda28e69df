/**
 * EMQX asks here who may connect and what they may do: once per connection, never per message.
 * EMQX 5.8, "HTTP password authentication": the answer is always 200, anything else refuses everybody.
 *
 * A1 Nothing is allowed to who does not know the secret of the header, nor when we cannot tell.
 * A2 Who comes is decided as at our own listener (gateways/mqtt/authentication.ts).
 * A3 At a broker, a client id names a session, and whoever comes with it ends the one before. So nobody may come with the
 *    client id of one of our processes, nor with another device's.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { deviceIdPattern } from "../../core/device/registration.ts";
import { type AuthenticationOptions, authentication } from "../mqtt/authentication.ts";
import { type AccessRule, accessList } from "../mqtt/emqx/access-list.ts";
import { given, ownClientPrefix } from "../mqtt/emqx/presence-events.ts";

export type EmqxAuthnOptions = AuthenticationOptions & {
  /** What EMQX sends as `x-emqx-secret`. With "", nobody is let in. */
  readonly secret: string;
  /** With which Doppel's own processes connect: they may do everything. */
  readonly own: { readonly username: string; readonly password: string };
  readonly meter: { connectionRefused(reason: string): void };
  readonly log: { warn(details: object, message: string): void };
  /**
   * Whether this gateway takes what devices say. While it does not, no device is let in: a broker that has no subscriber
   * acknowledges what it then drops. A device tries again.
   */
  readonly takes?: () => boolean;
  /** EMQX waits 5 s for an answer. */
  readonly timeoutMs?: number;
};

/** `POST /v1/mqtt/authn`. */
export function emqxAuthn(options: EmqxAuthnOptions): Hono {
  const { secret, meter, log, timeoutMs = 4_000 } = options;
  const decide = decision(options);
  const app = new Hono();
  app.post(
    "/v1/mqtt/authn",
    bodyLimit({ maxSize: 16_384, onError: (context) => context.json(denied) }),
    async (context) => {
      const refuse = (code: string) => {
        meter.connectionRefused(code);
        return context.json(denied);
      };
      if (secret === "" || !same(context.req.header("x-emqx-secret") ?? "", secret)) {
        log.warn(
          {},
          "x-emqx-secret is not DOPPEL_AUTHN_SECRET: nobody is let in. Give EMQX and the gateways the same.",
        );
        return refuse("badSecret");
      }
      const client = clientOf(await context.req.json().catch(() => null));
      if (client === null) return refuse("malformed");
      try {
        const answer = await within(timeoutMs, decide(client));
        return answer.result === "allow" ? context.json(answer) : refuse(answer.code);
      } catch (error) {
        log.warn({ err: error, clientId: client.clientId }, "authenticating a client failed"); // A1
        return refuse("unavailable");
      }
    },
  );
  return app;
}

type Client = {
  readonly clientId: string;
  readonly username: string | null;
  readonly password: string | null;
  readonly remoteAddress: string;
  /** Of the verified client certificate. */
  readonly certificateName: string | null;
};

type Answer =
  | { readonly result: "allow"; readonly is_superuser: boolean; readonly acl?: readonly AccessRule[] }
  | { readonly result: "deny"; readonly code: string };

const denied = { result: "deny" } as const;

function decision(options: EmqxAuthnOptions): (client: Client) => Promise<Answer> {
  const authenticate = authentication(options);
  const { host, credentials, own, takes = () => true } = options;

  /** A3 */
  async function mayComeAs(clientId: string, device: string): Promise<boolean> {
    if (/[/+#]/.test(clientId)) return false; // its presence could not be told
    if (clientId === device || credentials === null || !deviceIdPattern.test(clientId)) return true;
    return (await host.ask(clientId, { kind: "read" })).kind === "unknownDevice";
  }

  return async ({ clientId, username, password, remoteAddress, certificateName }) => {
    const ours = clientId.startsWith(ownClientPrefix);
    if (ours || (own.username !== "" && username === own.username)) {
      const known = ours && own.password !== "" && username === own.username && same(password ?? "", own.password);
      return known ? { result: "allow", is_superuser: true } : { result: "deny", code: "badCredentials" };
    }
    const connect = { clientId, username, password: password === null ? null : Buffer.from(password), remoteAddress };
    const decided = await authenticate({ ...connect, ...(certificateName !== null && { certificateName }) }); // A2
    if (decided.kind === "refuse") return { result: "deny", code: decided.code };
    const { principal } = decided;
    if (principal.kind === "device" && !takes()) return { result: "deny", code: "unavailable" };
    if (principal.kind === "device" && !(await mayComeAs(clientId, principal.device)))
      return { result: "deny", code: "badClientId" };
    return { result: "allow", is_superuser: false, acl: accessList(principal) };
  };
}

/** The body that deploy/emqx/emqx.conf has EMQX send; null if it is something else. */
function clientOf(body: unknown): Client | null {
  if (typeof body !== "object" || body === null) return null;
  const { clientid, username, password, peerhost, cert_cn: certificate } = body as Record<string, unknown>;
  const clientId = given(clientid);
  if (clientId === null) return null;
  return {
    clientId,
    username: given(username),
    password: typeof password === "string" ? password : null,
    remoteAddress: given(peerhost) ?? "",
    certificateName: given(certificate),
  };
}

/** In a time that says nothing of where they differ. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`No decision within ${timeoutMs} ms.`)), timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
