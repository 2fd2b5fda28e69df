/** The sockets on which a listener takes connections: TCP, WebSocket, and both again over TLS. */
import { createServer as createHttp, type Server as HttpServer } from "node:http";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTls, TLSSocket, type Server as TlsServer } from "node:tls";
import { peerCertificate, type ServerTls } from "../../../ports/tls/server.ts";
import type { ListenerLog } from "./listening.ts";
import { serveWebSocket } from "./websocket.ts";

export type ServersOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** For MQTT over WebSocket; 0: any free port, null: none. */
  readonly wsPort: number | null;
  readonly tls?: TlsPlaces | null;
};

/** Where both are spoken over TLS. */
export type TlsPlaces = {
  readonly identity: ServerTls;
  readonly host: string;
  readonly port: number;
  readonly wsPort: number;
};

/** A connection that was taken; `certificateName` of a device's certificate that was verified, else null. */
export type Taken = (stream: Duplex, remoteAddress: string, certificateName: string | null) => void;

/** A connection that came no further than TLS. */
export type NotTaken = (
  remoteAddress: string,
  reason: "TLS handshake failed" | "client certificate not trusted",
) => void;

export type Servers = {
  /** Those that they listen on; null where there is none. */
  readonly ports: Ports;
  /** Takes no more connections; resolves when all are gone. */
  close(): Promise<void>;
  /** Ends what is no MQTT connection: handshakes, requests. */
  destroy(): void;
};

type Ports = Readonly<Record<"mqtt", number> & Record<"ws" | "mqtts" | "wss", number | null>>;
type Limits = { readonly maxPacketBytes: number; readonly connectTimeoutMs: number };

const tcpOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };

/** Rejects, with all of them closed, if a port is taken. */
export async function openServers(
  { host, port, wsPort, tls = null }: ServersOptions,
  { maxPacketBytes, connectTimeoutMs }: Limits,
  log: ListenerLog,
  taken: Taken,
  notTaken: NotTaken,
): Promise<Servers> {
  const servers: Server[] = [];
  const ends: (() => void)[] = [];
  const take = (stream: Duplex, socket: Socket) => taken(stream, socket.remoteAddress ?? "unknown", deviceOf(socket));
  const destroy = () => {
    for (const end of ends) end();
  };
  const close = async () => {
    await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
  };
  const listening = async (server: Server, at: number, on: string): Promise<number> => {
    await listen(server, at, on);
    servers.push(server);
    // Out of file descriptors, for example: those who are connected stay served.
    server.on("error", (error) => log.warn({ err: error }, "a connection could not be accepted"));
    return (server.address() as AddressInfo).port;
  };
  const webSocketOn = (http: HttpServer, at: number, on: string): Promise<number> => {
    ends.push(serveWebSocket(http, on, maxPacketBytes, take));
    return listening(http, at, on);
  };

  try {
    const tcp = createTcp(tcpOptions, (socket) => take(socket, socket));
    const mqtt = await listening(tcp, port, host);
    const ws = wsPort === null ? null : await webSocketOn(createHttp(), wsPort, host);
    if (tls === null) return { ports: { mqtt, ws, mqtts: null, wss: null }, close, destroy };
    const secure = { handshakeTimeout: connectTimeoutMs };
    const overTcp = tls.identity.serve((options) => createTls({ ...options, ...tcpOptions, ...secure }), true);
    ends.push(guard(overTcp, notTaken));
    overTcp.on("secureConnection", (socket) => socket.destroyed || take(socket, socket));
    const mqtts = await listening(overTcp, tls.port, tls.host);
    const overHttp = tls.identity.serve((options) => createHttps({ ...options, ...secure }), true);
    ends.push(guard(overHttp, notTaken));
    const wss = await webSocketOn(overHttp, tls.wsPort, tls.host);
    return { ports: { mqtt, ws, mqtts, wss }, close, destroy };
  } catch (error) {
    destroy();
    await close();
    throw error;
  }
}

/** Counts handshakes that fail, ends connections with a certificate that is not trusted; gives what ends them all. */
function guard(server: TlsServer, notTaken: NotTaken): () => void {
  // The raw sockets, since those of a handshake are known to nobody else.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("tlsClientError", (_error, socket: TLSSocket) => {
    notTaken(socket.remoteAddress ?? "unknown", "TLS handshake failed");
  });
  server.prependListener("secureConnection", (socket) => {
    if (peerCertificate(socket).kind !== "untrusted") return;
    notTaken(socket.remoteAddress ?? "unknown", "client certificate not trusted");
    socket.destroy();
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

function deviceOf(socket: Socket): string | null {
  if (!(socket instanceof TLSSocket)) return null;
  const certificate = peerCertificate(socket);
  return certificate.kind === "verified" ? certificate.name : null;
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, 4_096, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}
