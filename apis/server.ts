/** The HTTP server: the API, the dashboard and the WebSocket on one port. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { isLoopback } from "../core/loopback.ts";
import { apiApp } from "./app.ts";
import { FleetStatistics } from "./fleet-statistics.ts";
import { openLive } from "./live.ts";
import type { ApiParts } from "./parts.ts";

export type Api = {
  readonly host: string;
  /** The port that it listens on: the one asked for, or the free one that was found for 0. */
  readonly port: number;
  /** WebSockets that are open. */
  readonly liveConnections: () => number;
  /** Messages that wait for WebSockets that read too slowly. */
  readonly liveWaiting: () => number;
  /** Takes no more requests, ends those under way after a moment. */
  readonly close: () => Promise<void>;
};

/** Credentials are needed to listen beyond loopback. */
export class CredentialsNeeded extends Error {
  readonly code = "CREDENTIALS_NEEDED";
  readonly retry = "never";
}

/** How long `close` waits for requests that are under way. */
const closingMs = 2_000;

/** Rejects with the system's error (EADDRINUSE, …) if it cannot listen there. */
export async function openApi(parts: ApiParts, listen: { host: string; port: number }): Promise<Api> {
  if (!parts.config.requireCredentials && !isLoopback(listen.host)) {
    throw new CredentialsNeeded(
      `The API may listen on ${listen.host} only with credentials required. Require them, or listen on 127.0.0.1.`,
    );
  }
  const statistics = new FleetStatistics(parts);
  const stopCounting = parts.host.onCommitted((turns) => statistics.count(turns));
  const live = openLive(parts, statistics);
  const app = apiApp(parts, statistics, live.endApp);
  const server = createServer(
    // A header that takes longer is an attack (Slowloris); an import may take its time.
    { headersTimeout: 10_000, requestTimeout: 600_000, keepAliveTimeout: 65_000, maxHeaderSize: 16_384 },
    getRequestListener(app.fetch, { overrideGlobalObjects: false }),
  );
  server.on("upgrade", live.upgrade);
  const second = setInterval(() => {
    live.tick().catch((error: unknown) => parts.log.warn({ err: error }, "the live statistics could not be read"));
  }, 1_000);

  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    clearInterval(second);
    stopCounting();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await live.close();
    server.closeIdleConnections();
    const timer = setTimeout(() => server.closeAllConnections(), closingMs);
    await closed;
    clearTimeout(timer);
  };
  const closeOnce = () => {
    closing ??= close();
    return closing;
  };

  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(listen.port, listen.host, () => resolve());
    });
  } catch (error) {
    clearInterval(second);
    stopCounting();
    await live.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  return { host: listen.host, port, liveConnections: live.connections, liveWaiting: live.waiting, close: closeOnce };
}
