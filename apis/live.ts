/**
 * `/v1/live`: what happens, as it happens, over WebSocket (RFC 6455). A client says what it listens to and hears it
 * after the commit; one that reads too slowly hears the newest of each thing (live-outbox.ts), never a backlog.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { WebSocket, WebSocketServer } from "ws";
import type { CommittedTurn } from "../actors/host/port.ts";
import { admit } from "./authentication.ts";
import type { FleetStatistics } from "./fleet-statistics.ts";
import { CommandNames, type LiveItem, type LiveMessage, liveItems } from "./live-messages.ts";
import { defaultOutboxLimits, LiveOutbox, type OutboxLimits } from "./live-outbox.ts";
import { LiveShadows } from "./live-shadows.ts";
import { LiveRequest, LiveSubscriptions } from "./live-subscriptions.ts";
import type { ApiEnv, ApiParts, Caller } from "./parts.ts";
import { Problem, problemDocument } from "./problem.ts";
import { parameters, problems } from "./route.ts";
import { statsView } from "./stats.ts";

export const livePath = "/v1/live";

/** A socket with more bytes than this on their way counts as behind. */
const maxInFlightBytes = 65_536;
/** A subscription to 10,000 devices with long ids fits. */
const maxRequestBytes = 2_097_152;
/** Seconds between pings; a client that has not answered the one before is gone. */
const pingSeconds = 30;

/** The hub; `tick` is to be called each second. */
export type Live = {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  tick(): Promise<void>;
  connections(): number;
  /** Keys that wait for slow readers, in all. */
  waiting(): number;
  /** Ends the connections of an app whose key was revoked. */
  endApp(name: string): void;
  close(): Promise<void>;
};

type Listener = {
  readonly socket: WebSocket;
  readonly caller: Caller;
  readonly outbox: LiveOutbox;
  answered: boolean;
};

export function openLive(
  parts: ApiParts,
  statistics: FleetStatistics,
  limits: OutboxLimits = defaultOutboxLimits,
): Live {
  const { host, now, log } = parts;
  const server = new WebSocketServer({ noServer: true, maxPayload: maxRequestBytes, perMessageDeflate: false });
  const subscriptions = new LiveSubscriptions<Listener>();
  const listeners = new Set<Listener>();
  const names = new CommandNames();
  let seconds = 0;

  const flush = (listener: Listener): void => {
    const { socket, outbox } = listener;
    while (socket.readyState === WebSocket.OPEN && socket.bufferedAmount <= maxInFlightBytes) {
      const text = outbox.take(now());
      if (text === null) return;
      // The callback comes when the text has left for the system: then there may be room for what waits.
      socket.send(text, () => {
        if (outbox.size.keys > 0 && socket.bufferedAmount <= maxInFlightBytes) flush(listener);
      });
    }
  };
  const tell = (listener: Listener, item: LiveItem): void => {
    listener.outbox.offer(item, now());
    flush(listener);
  };

  const shadows = new LiveShadows(async (device) => {
    const reply = await host.ask(device, { kind: "read" });
    return reply.kind === "twin" ? reply.twin.shadows : {};
  });

  const tellTurn = (turn: CommittedTurn, heard: boolean): void => {
    const near = heard ? new Set(subscriptions.of(turn.device, turn.region)) : new Set<Listener>();
    for (const item of liveItems(turn, names)) {
      for (const listener of near) tell(listener, item);
      if (item.kind === "message" && item.message.type === "presence") {
        for (const listener of subscriptions.fleet) if (!near.has(listener)) tell(listener, item);
      }
    }
  };

  const unsubscribeFromHost = host.onCommitted((turns) => {
    for (const turn of turns) {
      learnNames(turn, names);
      if (listeners.size === 0) continue;
      const heard = subscriptions.isHeard(turn.device, turn.region);
      if (!heard && (subscriptions.fleet.size === 0 || !turn.records.some(({ kind }) => kind === "presence"))) continue;
      const parts = heard ? shadows.completed(turn, (late) => tellTurn(late, true)) : [turn];
      for (const part of parts) tellTurn(part, heard);
    }
  });

  const open = (socket: WebSocket, caller: Caller): void => {
    const listener: Listener = { socket, caller, outbox: new LiveOutbox(limits), answered: true };
    listeners.add(listener);
    const refuse = (detail: string) => {
      const message: LiveMessage = { type: "error", detail };
      // One key: a client that sends nonsense without reading the answers fills nothing.
      tell(listener, { kind: "message", key: "error", message });
    };
    socket.on("message", (data, isBinary) => {
      const problem = isBinary ? "Send text frames with JSON." : take(listener, String(data));
      if (problem !== null) refuse(problem);
    });
    socket.on("pong", () => {
      listener.answered = true;
    });
    // A broken frame or a frame that is too large: ws closes the connection by itself with the right code.
    socket.on("error", () => {});
    socket.on("close", () => {
      listeners.delete(listener);
      subscriptions.remove(listener);
    });
  };

  const take = (listener: Listener, text: string): string | null => {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      return 'The message is not valid JSON. Send e.g. {"subscribe":{"fleet":true}}.';
    }
    const request = LiveRequest.safeParse(body);
    if (request.success) return subscriptions.change(listener, request.data);
    return 'Send {"subscribe":{…}} or {"unsubscribe":{…}} with "fleet": true, "devices": [ids] or "regions": [names].';
  };

  return {
    upgrade(request, socket, head) {
      socket.on("error", () => socket.destroy());
      admitSocket(request, parts, listeners.size)
        .then((caller) => server.handleUpgrade(request, socket, head, (opened) => open(opened, caller)))
        .catch((error: unknown) => {
          if (!(error instanceof Problem)) log.error({ err: error }, "a WebSocket could not be opened");
          refuseUpgrade(socket, error instanceof Problem ? error : new Problem("internal-error", "A fault of ours."));
        });
    },

    async tick() {
      seconds += 1;
      for (const listener of listeners) {
        if (seconds % pingSeconds === 0) {
          if (!listener.answered) listener.socket.terminate();
          else {
            listener.answered = false;
            listener.socket.ping();
          }
        }
        flush(listener);
      }
      if (subscriptions.fleet.size === 0) return;
      const message: LiveMessage = { type: "stats", ...statsView(await statistics.read()) };
      for (const listener of subscriptions.fleet) tell(listener, { kind: "message", key: "stats", message });
    },

    connections: () => listeners.size,
    waiting: () => [...listeners].reduce((keys, { outbox }) => keys + outbox.size.keys, 0),

    endApp(name) {
      for (const { socket, caller } of listeners) {
        // 1008 "policy violation" (RFC 6455, 7.4.1)
        if (caller.kind === "app" && caller.name === name) socket.close(1008, "the API key was revoked");
      }
    },

    async close() {
      unsubscribeFromHost();
      // 1001 "going away" (RFC 6455, 7.4.1); who does not answer is cut off.
      for (const { socket } of listeners) socket.close(1001, "the server is closing");
      const gone = [...listeners].map(
        ({ socket }) => new Promise<void>((resolve) => socket.once("close", () => resolve())),
      );
      const timer = setTimeout(() => {
        for (const { socket } of listeners) socket.terminate();
      }, 1_000);
      await Promise.all(gone);
      clearTimeout(timer);
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Names are learned whoever listens: a later state of the command does not hold its name. */
function learnNames({ device, records }: CommittedTurn, names: CommandNames): void {
  for (const record of records) {
    if (record.kind === "commandRequested") names.learn(device, record.command, record.name);
  }
}

async function admitSocket(request: IncomingMessage, parts: ApiParts, connections: number): Promise<Caller> {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname !== livePath)
    throw new Problem("not-found", `There is no WebSocket at ${url.pathname}. Use ${livePath}.`);
  const header = (name: string) => {
    const value = request.headers[name];
    return typeof value === "string" ? value : undefined;
  };
  const queryKey = url.searchParams.get("key") ?? undefined;
  const caller = await admit({ method: "GET", path: livePath, header, queryKey, upgrade: true }, parts);
  if (connections >= parts.config.maxLiveConnections) {
    throw new Problem(
      "unavailable",
      `There are ${connections} WebSockets, the most that are served. Try again later.`,
      {
        headers: { "retry-after": "10" },
      },
    );
  }
  return caller;
}

/** The refusal of an upgrade as an HTTP answer, on the bare socket. */
function refuseUpgrade(socket: Duplex, problem: Problem): void {
  const document = problemDocument(problem, livePath);
  const body = JSON.stringify(document);
  const headers = {
    ...problem.headers,
    "content-type": "application/problem+json",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${problem.status} ${document.title}\r\n${lines.join("")}\r\n${body}`);
}

const listenLive = createRoute({
  method: "get",
  path: livePath,
  tags: ["Live"],
  summary: "Listen to devices, regions or the fleet (WebSocket)",
  description:
    'Send `{"subscribe":{"fleet":true}}`, `{"subscribe":{"devices":["pump-4"],"regions":["eu-north"]}}`, or `unsubscribe` with the same. ' +
    "Messages have a `type`: `presence`, `telemetry`, `shadow`, `command`, `stats` (each second, to fleet listeners), `error`, " +
    "and `resync`: so much was dropped that you should fetch anew. The fleet hears presence and stats. " +
    "Where credentials are required, the API key goes in the header or in `?key=`.",
  request: {
    query: parameters({
      key: z.string().max(512).optional().openapi({ description: "API key, for browsers", example: "q2X…" }),
    }),
  },
  responses: { 101: { description: "Switching to WebSocket" }, ...problems(426) },
});

/** The route as plain HTTP: it is described, and refuses whoever does not upgrade. */
export function serveLive(app: OpenAPIHono<ApiEnv>): void {
  app.openapi(listenLive, () => {
    throw new Problem("upgrade-required", "This path speaks WebSocket. Connect with a WebSocket client.", {
      headers: { upgrade: "websocket" },
    });
  });
}
