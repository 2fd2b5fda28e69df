/**
 * Hosts actors by Dapr's HTTP callbacks: the sidecar (started with --app-port and --enable-app-health-check) calls us.
 * Costs about twice the stream's CPU and finds a dead host later; it is here for sidecars without the stream, and to
 * keep the port honest. The routes are those of Dapr 1.18, "Actors API reference, user service code".
 *
 * H1 Listens on 127.0.0.1 only: nobody but the sidecar has business here.
 * H2 Whether the sidecar knows us is asked of it, once a second: it does not tell.
 *
 * The sidecar puts ids into its paths as they are, so one that looks percent-encoded (a%41) arrives decoded here (aA).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { ActorHandlers, ActorProtocol, ActorTypes } from "../protocol-port.ts";
import { type DaprClient, openDaprClient } from "./client.ts";
import type { ActorHostLog } from "./stream.ts";

export type ActorCallbackOptions = {
  /** Where the sidecar calls, its --app-port. */
  readonly appPort: number;
  /** The sidecar's HTTP API, e.g. "http://127.0.0.1:3500". */
  readonly httpUrl: string;
  readonly types: ActorTypes;
  readonly handlers: ActorHandlers;
  /** Told of each change of `connected`. While it is false no actor lives here: the sidecar has forgotten them all. */
  readonly onConnection?: (connected: boolean) => void;
  /** DAPR_API_TOKEN, where the sidecar wants one. */
  readonly apiToken?: string;
  readonly log: ActorHostLog;
};

/** Resolves when we listen: the sidecar may come later. Rejects when the port is taken. */
export async function openActorCallbacks(options: ActorCallbackOptions): Promise<ActorProtocol> {
  const host = new ActorCallbacks(options);
  await host.listen();
  return host;
}

const askEachMs = 1_000;
const askSoonMs = 100;

class ActorCallbacks implements ActorProtocol {
  connected = false;
  readonly #options: ActorCallbackOptions;
  readonly #sidecar: DaprClient;
  readonly #server: Server;
  readonly #configuration: string;
  #asking: NodeJS.Timeout | null = null;
  #closed: Promise<void> | null = null;

  constructor(options: ActorCallbackOptions) {
    this.#options = options;
    const { httpUrl, apiToken, types } = options;
    this.#sidecar = openDaprClient({ httpUrl, connections: 1, ...(apiToken === undefined ? {} : { apiToken }) });
    this.#configuration = JSON.stringify({
      entities: types.types,
      actorIdleTimeout: `${types.idleTimeoutSeconds}s`,
      drainOngoingCallTimeout: `${types.drainSeconds}s`,
      drainRebalancedActors: true,
    });
    this.#server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
      this.#serve(request, response).catch((error) => this.#fail(response, error));
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#options.appPort, "127.0.0.1", resolve); // H1
    });
    this.#askSoon(askSoonMs);
  }

  close(): Promise<void> {
    this.#closed ??= this.#leave();
    return this.#closed;
  }

  /** P3. Idle connections end now, the others after their answer; then the sidecar's health check fails and it unlists us. */
  async #leave(): Promise<void> {
    if (this.#asking !== null) clearTimeout(this.#asking);
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#sidecar.close();
    this.#tell(false);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#closed !== null) return void request.socket.destroy(); // refused politely it would pass for the actor's failure
    const [root, type, id, kind, first, second] = (request.url ?? "")
      .slice(1)
      .split("?", 1)[0]!
      .split("/")
      .map(decoded);
    if (root === "healthz") return void response.end();
    if (root === "dapr" && type === "config") {
      if (this.connected) this.#tell(false); // the sidecar has restarted
      this.#askSoon(askSoonMs);
      return void response.setHeader("content-type", "application/json").end(this.#configuration);
    }
    if (root !== "actors" || type === undefined || id === undefined) return notFound(response);
    if (!this.#options.types.types.includes(type)) return notFound(response);
    if (request.method === "DELETE" && kind === undefined) {
      response.end();
      return this.#options.handlers.deactivated({ type, id });
    }
    if (kind !== "method" || first === undefined) return notFound(response);
    const body = await bodyOf(request);
    if (first === "remind" && second !== undefined) {
      await this.#options.handlers.reminder({ type, id, name: second, data: reminderData(body) });
      return void response.end();
    }
    if (first === "timer" && second !== undefined) {
      return void response.setHeader("X-Daprremindercancel", "true").end(); // we register none: whoever did is told to stop
    }
    const answer = await this.#options.handlers.call({ type, id, method: first, body });
    if (this.#closed !== null) response.setHeader("connection", "close");
    response.end(answer);
  }

  #fail(response: ServerResponse, error: unknown): void {
    this.#options.log.error({ err: error }, "an actor's turn threw, its caller is told");
    if (response.headersSent) return;
    response.statusCode = 500;
    response.end(error instanceof Error ? error.message : String(error));
  }

  #askSoon(delayMs: number): void {
    if (this.#closed !== null) return;
    if (this.#asking !== null) clearTimeout(this.#asking);
    this.#asking = setTimeout(() => void this.#ask(), delayMs);
  }

  /** H2 */
  async #ask(): Promise<void> {
    const listed = await this.#sidecar.metadata().then(
      ({ hostReady, actors }) =>
        hostReady && this.#options.types.types.every((name) => actors.some(({ type }) => type === name)),
      () => false,
    );
    if (this.#closed !== null) return;
    this.#tell(listed);
    this.#askSoon(listed ? askEachMs : askSoonMs);
  }

  #tell(connected: boolean): void {
    if (this.connected === connected) return;
    this.connected = connected;
    this.#options.log.info({ connected }, connected ? "the sidecar knows our actors" : "the sidecar is away");
    this.#options.onConnection?.(connected);
  }
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function notFound(response: ServerResponse): void {
  response.statusCode = 404; // the sidecar does not try again
  response.end();
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** A reminder's JSON stands in the body as it was registered. */
function reminderData(body: Buffer): unknown {
  const { data } = JSON.parse(body.toString()) as { data?: unknown };
  return data ?? undefined;
}
