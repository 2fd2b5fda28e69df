/**
 * The sidecar by Dapr's own client, @dapr/dapr, for what is not hot: operations' commands and tests. What runs with
 * every message goes through client.ts, which costs a fraction (bench/dapr-client.ts) and ends calls by their timeout.
 *
 * A1 Every question ends: the library has no timeouts, and its first one waits up to a minute for a sidecar.
 * A2 The library logs to where it is told; by itself it writes to the console.
 * A3 One client and one builder per actor type are kept: each builder opens a client of its own.
 */
import {
  ActorId,
  ActorProxyBuilder,
  CommunicationProtocolEnum,
  DaprClient as DaprSdkClient,
  type LoggerService,
  LogLevel,
} from "@dapr/dapr";
import { CallTimedOut } from "./call-errors.ts";
import type { ActorHostLog } from "./stream.ts";

export type DaprAdminOptions = {
  /** The sidecar's HTTP API, e.g. "http://127.0.0.1:3500". */
  readonly httpUrl: string;
  /** Of each question. */
  readonly timeoutMs: number;
  /** DAPR_API_TOKEN, where the sidecar wants one. */
  readonly apiToken?: string;
  readonly log: ActorHostLog;
};

export interface DaprAdmin {
  /** Whether the sidecar answers. Whether its placement and scheduler are there too: DaprClient.healthy. */
  answers(): Promise<boolean>;
  /** Version, components, hosted actor types. @throws CallTimedOut, and the library's plain Error */
  metadata(): Promise<SdkMetadata>;
  /** Calls an actor with a JSON array of the arguments; gives the JSON, or text, of its answer. Throws as `metadata`. */
  ask(type: string, id: string, method: string, ...args: readonly unknown[]): Promise<unknown>;
}

type SdkMetadata = Awaited<ReturnType<DaprSdkClient["metadata"]["get"]>>;
type AnyActor = Record<string, (...args: readonly unknown[]) => Promise<unknown>>;

/** Nothing is opened before the first question, and nothing has to be closed: idle connections keep no process alive. */
export function openDaprAdmin({ httpUrl, timeoutMs, apiToken, log }: DaprAdminOptions): DaprAdmin {
  const { hostname, port } = new URL(httpUrl);
  const client = new DaprSdkClient({
    daprHost: hostname,
    daprPort: port,
    communicationProtocol: CommunicationProtocolEnum.HTTP,
    logger: { level: LogLevel.Warn, service: loggingTo(log) }, // A2
    ...(apiToken === undefined ? {} : { daprApiToken: apiToken }),
  });
  const builders = new Map<string, ActorProxyBuilder<AnyActor>>();
  return {
    answers: () => within("health", client.health.isHealthy()).catch(() => false),
    metadata: () => within("metadata", client.metadata.get()),
    ask: async (type, id, method, ...args) => {
      let builder = builders.get(type);
      if (builder === undefined) {
        // The library takes the type from the name of a class.
        builder = new ActorProxyBuilder<AnyActor>({ [type]: class {} }[type] as never, client);
        builders.set(type, builder); // A3
      }
      const actor = builder.build(new ActorId(id));
      return within(`${type}/${id}/${method}`, actor[method]!(...args));
    },
  };

  /** A1. What is abandoned goes on in the library; its outcome is nobody's. */
  async function within<Answer>(what: string, asked: Promise<Answer>): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_resolve, reject) => {
      const message = `The Dapr sidecar at ${httpUrl} did not answer ${what} within ${timeoutMs} ms. Is it running?`;
      timer = setTimeout(() => reject(new CallTimedOut(message, { mayHaveRun: true })), timeoutMs);
    });
    return Promise.race([asked, tooLate]).finally(() => clearTimeout(timer));
  }
}

function loggingTo(log: ActorHostLog): LoggerService {
  const ignore = () => {};
  return {
    error: (message: unknown, ...rest: unknown[]) => log.error({ rest }, `dapr client: ${String(message)}`),
    warn: (message: unknown, ...rest: unknown[]) => log.warn({ rest }, `dapr client: ${String(message)}`),
    info: ignore,
    verbose: ignore,
    debug: ignore,
  };
}
