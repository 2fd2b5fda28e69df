/**
 * Who may ask. With credentials required: whoever holds an API key. Without: whoever reaches loopback, which a web
 * page in the user's own browser does too, so that requests which only such a page makes are refused.
 *
 * A1 What a refusal says does not depend on the key that was tried.
 * A2 Open on loopback: a Host header that is not loopback is refused (DNS rebinding), and so is whatever changes
 *    things or opens a WebSocket on behalf of a page of another origin.
 */
import type { MiddlewareHandler } from "hono";
import type { ApiEnv, ApiParts, Caller } from "./parts.ts";
import { Problem } from "./problem.ts";

/** A request as far as admission looks at it. */
export type Knock = {
  readonly method: string;
  readonly path: string;
  readonly header: (name: string) => string | undefined;
  /** A key from the query, where the path allows one there. */
  readonly queryKey: string | undefined;
  readonly upgrade: boolean;
};

/** What needs no key: pages without data of devices, and the answer to "are you there?". */
const open = [/^\/$/, /^\/openapi\.json$/, /^\/docs(\/|$)/, /^\/health\/services$/, /^\/(health|ready)z$/];

/** The caller, or a thrown `Problem`. */
export async function admit(knock: Knock, parts: Pick<ApiParts, "config" | "credentials">): Promise<Caller> {
  const { config, credentials } = parts;
  if (!config.requireCredentials) {
    refuseForeignPages(knock, config.allowedOrigins);
    return { kind: "anyone" };
  }
  const key = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(knock.header("authorization") ?? "")?.[1] ?? knock.queryKey;
  const name = key === undefined ? null : await credentials.verify("app", key);
  if (name === null) {
    throw new Problem("unauthorized", "This needs a valid API key in the header Authorization: Bearer <key>.", {
      headers: { "www-authenticate": 'Bearer realm="doppel"' },
    });
  }
  return { kind: "app", name };
}

/** Puts the caller where handlers find it. `isPublic` says which other paths (the dashboard's files) need no key. */
export function authentication(parts: ApiParts, isPublic: (path: string) => boolean): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const { path, method } = c.req;
    const reads = method === "GET" || method === "HEAD";
    if (parts.config.requireCredentials && reads && (open.some((pattern) => pattern.test(path)) || isPublic(path))) {
      c.set("caller", { kind: "anyone" });
    } else {
      // Without a Host header (HTTP/1.0) the URL's is as good: the server made it up from its own address.
      const header = (name: string) => c.req.header(name) ?? (name === "host" ? new URL(c.req.url).host : undefined);
      c.set("caller", await admit({ method, path, header, queryKey: undefined, upgrade: false }, parts));
    }
    await next();
  };
}

function refuseForeignPages({ method, header, upgrade }: Knock, allowedOrigins: readonly string[]): void {
  const host = header("host") ?? "";
  if (!isLoopbackHost(host)) {
    throw new Problem(
      "host-not-allowed",
      "Without credentials only loopback names are served: localhost, 127.0.0.1 or [::1]. To serve others, require credentials.",
    );
  }
  if (!upgrade && (method === "GET" || method === "HEAD" || method === "OPTIONS")) return;
  const origin = header("origin");
  if (
    origin === undefined ||
    origin.replace(/^https:/, "http:") === `http://${host}` ||
    allowedOrigins.includes(origin)
  )
    return;
  throw new Problem("origin-not-allowed", "Pages of another origin may not change anything here, nor listen in.");
}

/** Whether a Host header (`name` or `name:port`) names this machine's loopback. */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host);
}
