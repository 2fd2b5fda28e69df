import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer } from "ws";
import { isLoopback } from "../../../core/loopback.ts";

/**
 * MQTT over WebSocket (MQTT 5.0 §6): binary frames, subprotocol `mqtt`, any path.
 * A browser names the page's origin; pages of other hosts are refused, since browsers let any page connect anywhere.
 * Gives what ends all of it.
 */
export function serveWebSocket(
  http: Server,
  host: string,
  maxPacketBytes: number,
  accepted: (stream: Duplex, socket: Socket) => void,
): () => void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxPacketBytes * 2, // a frame may hold several packets
    perMessageDeflate: false,
    handleProtocols: (offered) => [...offered].find((name) => name === "mqtt" || name === "mqttv3.1") ?? false,
  });
  http.on("request", (_request, response) => {
    response.writeHead(426, { "content-type": "text/plain", upgrade: "websocket" });
    response.end("This port speaks MQTT over WebSocket, subprotocol mqtt.\n");
  });
  http.on("upgrade", (request, socket, head) => {
    if (!originAllowed(request, host)) {
      socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n");
      return;
    }
    const offered = request.headers["sec-websocket-protocol"];
    if (offered === undefined) {
      socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nThe subprotocol mqtt is missing.\n");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const stream = createWebSocketStream(webSocket);
      webSocket.on("message", (_data, isBinary) => {
        if (!isBinary) stream.destroy(); // [MQTT-6.0.0-1]
      });
      accepted(stream, request.socket);
    });
  });
  return () => {
    for (const webSocket of sockets.clients) webSocket.terminate();
    http.closeAllConnections();
  };
}

/** `Origin` is sent by browsers only. A loopback listener also asks for a loopback `Host` (DNS rebinding). */
export function originAllowed(request: Pick<IncomingMessage, "headers">, listeningOn: string): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  const page = hostname(origin);
  if (isLoopback(listeningOn)) return page !== null && isLoopback(page) && isLoopback(hostname(`http://${host}`) ?? "");
  return page !== null && page === hostname(`http://${host}`);
}

/** Without the brackets of an IPv6 address. */
function hostname(url: string): string | null {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[(.*)\]$/, "$1") : null;
}
