/** The HTTP server: the API, the dashboard and the WebSocket on one port, and on a second one over TLS. */
import { createServer } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { isLoopback } from "../core/loopback.ts";
import type { ServerTls } from "../ports/tls/server.ts";
import { apiApp } from "./app.ts";
import { FleetStatistics } from "./fleet-statistics.ts";
import { openLive } from "./live.ts";
import type { ApiParts } from "./parts.ts";

export type Api = {
  readonly host: string;
  /** The port that it listens on: the one asked for, or the free one that was found for 0. */
  readonly port: number;
  /** The same for HTTPS; null where it is not served. */
  readonly tlsPort: number | null;
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

export type ApiListen = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Where it is served over TLS, too. */
  readonly tls?: { readonly identity: ServerTls; readonly host: string; readonly port: number } | null;
};

/** Rejects with the system's error (EADDRINUSE, …) if it cannot listen there. */
export async function openApi(parts: ApiParts, { host, port, tls = null }: ApiListen): Promise<Api> {
  const open = [host, ...(tls === null ? [] : [tls.host])].find((address) => !isLoopback(address));
  if (!parts.config.requireCredentials && open !== undefined) {
    throw new CredentialsNeeded(
      `The API may listen on ${open} only with credentials required. Require them, or listen on 127.0.0.1.`,
    );
  }
  const statistics = new FleetStatistics(parts);
  const stopCounting = parts.host.onCommitted((turns) => statistics.count(turns));
  const live = openLive(parts, statistics);
  const app = apiApp(parts, statistics, live.endApp);
  // A header that takes longer is an attack (Slowloris); an import may take its time.
  const times = { headersTimeout: 10_000, requestTimeout: 600_000, keepAliveTimeout: 65_000, maxHeaderSize: 16_384 };
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer(times, answer);
  const secure =
    tls?.identity.serve((options) => createHttps({ ...options, ...times, handshakeTimeout: 10_000 }, answer), false) ??
    null;
  const servers = secure === null ? [server] : [server, secure];
  for (const each of servers) each.on("upgrade", live.upgrade);
  /** Of TLS: those of a handshake are known to nobody else. */
  const sockets = new Set<Socket>();
  secure?.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const second = setInterval(() => {
    live.tick().catch((error: unknown) => parts.log.warn({ err: error }, "the live statistics could not be read"));
  }, 1_000);

  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    clearInterval(second);
    stopCounting();
    const closed = Promise.all(servers.map((each) => new Promise<void>((resolve) => each.close(() => resolve()))));
    await live.close();
    for (const each of servers) each.closeIdleConnections();
    const timer = setTimeout(() => {
      for (const each of servers) each.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    }, closingMs);
    await closed;
    clearTimeout(timer);
  };
  const closeOnce = () => {
    closing ??= close();
    return closing;
  };

  try {
    await listen(server, port, host);
    if (secure !== null) await listen(secure, tls!.port, tls!.host);
  } catch (error) {
    clearInterval(second);
    stopCounting();
    await live.close();
    server.close();
    throw error;
  }
  return {
    host,
    port: portOf(server),
    tlsPort: secure === null ? null : portOf(secure),
    liveConnections: live.connections,
    liveWaiting: live.waiting,
    close: closeOnce,
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve());
  });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
