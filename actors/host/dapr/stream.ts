/**
 * Hosts actors over Dapr's gRPC stream (SubscribeActorEventsAlpha1, Dapr 1.18, dapr/proto/actor-stream.proto): we dial the
 * sidecar, say which types live here, and answer its requests by id. The sidecar runs without --app-port.
 *
 * S1 One stream at a time: of two the newest gets all calls, and the end of the older takes the types of both away.
 * S2 An answer goes to the stream that asked: ids begin anew with each stream.
 * S3 Every request is answered exactly once while its stream lives; a handler that throws is answered by a failure.
 */
import { fileURLToPath } from "node:url";
import { type ChannelOptions, Client, type ClientDuplexStream, credentials, Metadata, status } from "@grpc/grpc-js";
import { load, type MethodDefinition } from "@grpc/proto-loader";
import type { Logger } from "pino";
import type { ActorHandlers, ActorProtocol, ActorTypes } from "../protocol-port.ts";
import { jsonOfAny, type WireAny } from "./reminder-data.ts";

export type ActorHostLog = Pick<Logger, "info" | "warn" | "error">;

export type ActorStreamOptions = {
  /** The sidecar's gRPC API, e.g. "127.0.0.1:50001". */
  readonly grpcAddress: string;
  readonly types: ActorTypes;
  readonly handlers: ActorHandlers;
  /** Told of each change of `connected`. While it is false no actor lives here: the sidecar has forgotten them all. */
  readonly onConnection?: (connected: boolean) => void;
  /** DAPR_API_TOKEN, where the sidecar wants one. */
  readonly apiToken?: string;
  readonly log: ActorHostLog;
};

/** Resolves at once: the sidecar may come later, `connected` and `onConnection` tell. */
export async function openActorStream(options: ActorStreamOptions): Promise<ActorProtocol> {
  const protocol = await load(protocolFile, { keepCase: true, longs: Number, oneofs: true });
  const service = protocol["dapr.proto.runtime.v1.Dapr"] as Record<string, MethodDefinition<HostMessage, object>>;
  const host = new ActorStream(options, service.SubscribeActorEventsAlpha1!);
  host.open();
  return host;
}

const protocolFile = fileURLToPath(new URL("../../../dapr/proto/actor-stream.proto", import.meta.url));

const firstRetryMs = 50;
const lastRetryMs = 2_000;
/** A cancelled stream drops the answers that the sidecar has not read yet, and nothing tells when it has. */
const settleMs = 50;
/** How many times in a row the sidecar was away before it is told as a warning: a restart takes about half a second. */
const quietRetries = 4;

/** How long to wait before the next stream; `failures` in a row, 1 for the first. */
export function retryDelayMs(failures: number): number {
  return Math.min(lastRetryMs, firstRetryMs * 2 ** (failures - 1));
}

const channelOptions: ChannelOptions = {
  "grpc.max_receive_message_length": -1, // daprd has a bound of its own, --max-body-size
  "grpc.max_send_message_length": -1,
  "grpc.use_local_subchannel_pool": 1, // else a new client inherits the back-off of the last one
  "grpc.enable_retries": 0,
};

type Addressed = { id: string; actor_type: string; actor_id: string };
type Invoke = Addressed & { method: string; data: Buffer };
type Reminder = Addressed & { name: string; data?: WireAny };

type SidecarMessage =
  | { response_type: "initial_response" }
  | { response_type: "invoke_request"; invoke_request: Invoke }
  | { response_type: "reminder_request"; reminder_request: Reminder }
  | { response_type: "timer_request"; timer_request: Addressed }
  | { response_type: "deactivate_request"; deactivate_request: Addressed };

type HostMessage =
  | {
      initial_request: {
        entities: readonly string[];
        actor_idle_timeout: { seconds: number };
        drain_ongoing_call_timeout: { seconds: number };
        drain_rebalanced_actors: boolean;
      };
    }
  | { invoke_response: { id: string; data: Uint8Array } }
  | { reminder_response: { id: string } }
  | { timer_response: { id: string; cancel: boolean } }
  | { deactivate_response: { id: string } }
  | { request_failed: { id: string; code: number; message: string } };

type Stream = ClientDuplexStream<HostMessage, SidecarMessage>;

class ActorStream implements ActorProtocol {
  connected = false;
  readonly #options: ActorStreamOptions;
  readonly #method: MethodDefinition<HostMessage, object>;
  #stream: Stream | null = null;
  #failures = 0;
  #retry: NodeJS.Timeout | null = null;
  /** Requests of the present stream that handlers have not answered yet. */
  #underWay = 0;
  #closing = false;
  #closed: Promise<void> | null = null;
  #settled: (() => void) | null = null;

  constructor(options: ActorStreamOptions, method: MethodDefinition<HostMessage, object>) {
    this.#options = options;
    this.#method = method;
  }

  open(): void {
    const { grpcAddress, types, apiToken } = this.#options;
    const client = new Client(grpcAddress, credentials.createInsecure(), channelOptions);
    const metadata = new Metadata();
    if (apiToken !== undefined) metadata.set("dapr-api-token", apiToken);
    const { path, requestSerialize, responseDeserialize } = this.#method;
    const stream: Stream = client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize as (bytes: Buffer) => SidecarMessage,
      metadata,
    );
    this.#stream = stream;
    stream.on("data", (message: SidecarMessage) => this.#received(stream, message));
    stream.on("error", () => {}); // `status` tells the same, and of an end without error too
    stream.once("status", ({ code, details }) => {
      client.close();
      this.#ended(code, details);
    });
    stream.write({
      initial_request: {
        entities: types.types,
        actor_idle_timeout: { seconds: types.idleTimeoutSeconds },
        drain_ongoing_call_timeout: { seconds: types.drainSeconds },
        drain_rebalanced_actors: true,
      },
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#leave();
    return this.#closed;
  }

  /**
   * P3. Requests that come in from now on stay unanswered; their callers are told when the stream is cancelled, a moment
   * later, that the actor is unavailable. Refused at once they would only come back before the placement has changed.
   */
  async #leave(): Promise<void> {
    this.#closing = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    while (this.#underWay > 0 && this.#stream !== null) await this.#nextChange();
    if (this.#stream !== null) await new Promise((resolve) => setTimeout(resolve, settleMs));
    while (this.#stream !== null) {
      this.#stream.cancel(); // half-closing would fail the calls of the next moment
      await this.#nextChange();
    }
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#settled = resolve;
    });
  }

  #changed(): void {
    this.#settled?.();
    this.#settled = null;
  }

  #received(stream: Stream, message: SidecarMessage): void {
    if (message.response_type === "initial_response") {
      this.#failures = 0;
      this.#options.log.info({ types: this.#options.types.types }, "the sidecar knows our actors");
      this.#tell(true);
      return;
    }
    if (this.#closing && message.response_type !== "deactivate_request") return;
    switch (message.response_type) {
      case "invoke_request": {
        const { id, actor_type, actor_id, method, data } = message.invoke_request;
        const call = { type: actor_type, id: actor_id, method, body: data ?? noBytes };
        void this.#answer(stream, id, async () => ({
          invoke_response: { id, data: await this.#options.handlers.call(call) },
        }));
        return;
      }
      case "reminder_request": {
        const { id, actor_type, actor_id, name, data } = message.reminder_request;
        void this.#answer(stream, id, async () => {
          await this.#options.handlers.reminder({ type: actor_type, id: actor_id, name, data: jsonOfAny(data) });
          return { reminder_response: { id } };
        });
        return;
      }
      case "timer_request": // we register none: whoever did is told to stop
        stream.write({ timer_response: { id: message.timer_request.id, cancel: true } });
        return;
      case "deactivate_request": {
        const { id, actor_type, actor_id } = message.deactivate_request;
        stream.write({ deactivate_response: { id } });
        try {
          this.#options.handlers.deactivated({ type: actor_type, id: actor_id });
        } catch (error) {
          this.#options.log.error({ err: error, type: actor_type, id: actor_id }, "an actor's deactivation threw");
        }
        return;
      }
    }
  }

  /** S2, S3 */
  async #answer(stream: Stream, id: string, work: () => Promise<HostMessage>): Promise<void> {
    this.#underWay++;
    let answer: HostMessage;
    try {
      answer = await work();
    } catch (error) {
      this.#options.log.error({ err: error }, "an actor's turn threw, its caller is told");
      answer = { request_failed: { id, code: status.INTERNAL, message: messageOf(error) } };
    }
    if (stream !== this.#stream) return;
    stream.write(answer);
    this.#underWay--;
    this.#changed();
  }

  #ended(code: number, details: string): void {
    this.#stream = null;
    this.#underWay = 0;
    this.#tell(false);
    this.#changed();
    if (this.#closing) return;
    const delayMs = retryDelayMs(++this.#failures);
    const { log, grpcAddress } = this.#options;
    if (code === status.FAILED_PRECONDITION || code === status.UNIMPLEMENTED) {
      const advice = "Start daprd 1.18 or newer without --app-port.";
      log.error({ grpcAddress, details }, `the sidecar does not take actors over a stream. ${advice}`);
    } else if (this.#failures === quietRetries) {
      log.warn({ grpcAddress, details }, "the sidecar is away, its actors wait; trying again until it answers");
    }
    this.#retry = setTimeout(() => this.open(), delayMs);
  }

  #tell(connected: boolean): void {
    if (this.connected === connected) return;
    this.connected = connected;
    this.#options.onConnection?.(connected);
  }
}

const noBytes = Buffer.alloc(0);
const longestMessage = 1_000;

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, longestMessage);
}
