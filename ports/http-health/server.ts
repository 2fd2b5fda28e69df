/** The one HTTP server of a role's process: its health, its metrics, and what else the role answers. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { type HealthParts, healthRoutes } from "./routes.ts";

export type RoleServerOptions = HealthParts & {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** What the role answers besides, e.g. POST /v1/mqtt/authn. */
  readonly routes?: Hono;
};

export type RoleServer = {
  readonly host: string;
  /** The port that it listens on. */
  readonly port: number;
  /** Takes no more requests, ends those under way after a moment. Idempotent. */
  close(): Promise<void>;
};

/** How long `close` waits for requests that are under way. */
const closingMs = 2_000;

/** Rejects with the system's error (EADDRINUSE, …) if it cannot listen there. */
export async function openRoleServer({ host, port, routes, ...parts }: RoleServerOptions): Promise<RoleServer> {
  const app = new Hono();
  app.route("/", healthRoutes(parts));
  if (routes !== undefined) app.route("/", routes);
  app.notFound((c) => c.json({ title: "There is nothing at this path", status: 404 }, 404));
  app.onError((_error, c) => c.json({ title: "The request failed", status: 500 }, 500));
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 65_000, maxHeaderSize: 16_384 },
    getRequestListener(app.fetch, { overrideGlobalObjects: false }),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve());
  });

  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const timer = setTimeout(() => server.closeAllConnections(), closingMs);
    await closed;
    clearTimeout(timer);
  };
  return {
    host,
    port: (server.address() as AddressInfo).port,
    close() {
      closing ??= close();
      return closing;
    },
  };
}
