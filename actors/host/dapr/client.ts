/**
 * Calls actors through the sidecar's HTTP API. Made for the hot path: undici's dispatch on connections that stay open
 * costs about 30 µs of CPU a call, its `request` 55, node:http 65, @dapr/dapr several hundred (bench/dapr-client.ts).
 *
 * C1 No call waits longer than its timeout: without a placement service the sidecar would let it wait for ever.
 * C2 At most `connections` calls are under way; more of them wait here, and their time runs.
 * C3 No call is sent twice.
 */
import { type Dispatcher, Pool } from "undici";
import { CallTimedOut, type DaprCallFailure, failureOf, SidecarAway } from "./call-errors.ts";

export type DaprClientOptions = {
  /** The sidecar's HTTP API, e.g. "http://127.0.0.1:3500". */
  readonly httpUrl: string;
  /** How many calls may be under way. */
  readonly connections: number;
  /** DAPR_API_TOKEN, where the sidecar wants one. */
  readonly apiToken?: string;
};

/** Rejections are those of DaprCallFailure only. */
export interface DaprClient {
  /** Gives the bytes of the actor's answer. Ids may hold anything but / \ # ? and control characters (else CallRefused). */
  invoke(
    type: string,
    id: string,
    method: string,
    body: string | Uint8Array,
    options: { readonly timeoutMs: number },
  ): Promise<Uint8Array>;
  /** Replaces one of the same name. Works only beside a sidecar that hosts the type (else ActorUnavailable). */
  registerReminder(type: string, id: string, name: string, reminder: ReminderRequest): Promise<void>;
  unregisterReminder(type: string, id: string, name: string): Promise<void>;
  /** Whether the sidecar, with its placement and scheduler, says that it is ready. False, too, when it is away. */
  healthy(): Promise<boolean>;
  metadata(): Promise<SidecarMetadata>;
  /** Ends the connections. Calls under way are answered first. */
  close(): Promise<void>;
}

export type ReminderRequest = {
  readonly dueTimeMs: number;
  /** undefined: once. */
  readonly periodMs?: number;
  /** JSON. */
  readonly data?: unknown;
};

export type SidecarMetadata = {
  readonly appId: string;
  readonly runtimeVersion: string;
  /** Whether actors are hosted here, by us. */
  readonly hostReady: boolean;
  /** "placement: connected" when all is well. */
  readonly placement: string;
  /** Types hosted here, with how many actors are in memory. */
  readonly actors: readonly { readonly type: string; readonly count: number }[];
};

export function openDaprClient(options: DaprClientOptions): DaprClient {
  return new HttpDaprClient(options);
}

const connectTimeoutMs = 2_000;
/** Unused connections go before a proxy or the sidecar could drop them while we send. */
const keepAliveMs = 30_000;
const otherTimeoutMs = 10_000;

type Answer = { status: number; body: Buffer };
type Request = { what: string; method: "GET" | "POST" | "DELETE"; path: string; body: string | Uint8Array | null };

class HttpDaprClient implements DaprClient {
  readonly #pool: Pool;
  readonly #headers: Record<string, string>;

  constructor({ httpUrl, connections, apiToken }: DaprClientOptions) {
    this.#pool = new Pool(httpUrl, {
      connections,
      pipelining: 1,
      headersTimeout: 0, // C1 is ours
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveMs,
      connect: { timeout: connectTimeoutMs },
    });
    this.#headers = { "content-type": "application/json" };
    if (apiToken !== undefined) this.#headers["dapr-api-token"] = apiToken;
  }

  async invoke(
    type: string,
    id: string,
    method: string,
    body: string | Uint8Array,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<Uint8Array> {
    const path = `${actorPath(type, id)}/method/${encodeURIComponent(method)}`;
    const what = `${type}/${id}/${method}`;
    const answer = await this.#ask({ what, method: "POST", path, body }, timeoutMs);
    return answer.body;
  }

  async registerReminder(type: string, id: string, name: string, reminder: ReminderRequest): Promise<void> {
    const { dueTimeMs, periodMs, data } = reminder;
    const body = JSON.stringify({
      dueTime: `${dueTimeMs}ms`,
      ...(periodMs === undefined ? {} : { period: `${periodMs}ms` }),
      ...(data === undefined ? {} : { data }),
    });
    await this.#ask({ ...reminderOf(type, id, name), method: "POST", body }, otherTimeoutMs);
  }

  async unregisterReminder(type: string, id: string, name: string): Promise<void> {
    await this.#ask({ ...reminderOf(type, id, name), method: "DELETE", body: null }, otherTimeoutMs);
  }

  async healthy(): Promise<boolean> {
    return this.#ask({ what: "healthz", method: "GET", path: "/v1.0/healthz", body: null }, otherTimeoutMs).then(
      () => true,
      () => false,
    );
  }

  async metadata(): Promise<SidecarMetadata> {
    const request = { what: "metadata", method: "GET", path: "/v1.0/metadata", body: null } as const;
    const { body } = await this.#ask(request, otherTimeoutMs);
    const { id, runtimeVersion, actorRuntime } = JSON.parse(body.toString()) as WireMetadata;
    return {
      appId: id,
      runtimeVersion: runtimeVersion ?? "",
      hostReady: actorRuntime?.hostReady ?? false,
      placement: actorRuntime?.placement ?? "",
      actors: (actorRuntime?.activeActors ?? []).map(({ type, count }) => ({ type, count: count ?? 0 })),
    };
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  #ask(request: Request, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const call = new Call(request.what, timeoutMs, resolve, reject);
      const { method, path, body } = request;
      this.#pool.dispatch({ method, path, body, headers: this.#headers }, call);
    });
  }
}

type WireMetadata = {
  id: string;
  runtimeVersion?: string;
  actorRuntime?: { hostReady?: boolean; placement?: string; activeActors?: { type: string; count?: number }[] };
};

function actorPath(type: string, id: string): string {
  return `/v1.0/actors/${encodeURIComponent(type)}/${encodeURIComponent(id)}`;
}

function reminderOf(type: string, id: string, name: string): { what: string; path: string } {
  const path = `${actorPath(type, id)}/reminders/${encodeURIComponent(name)}`;
  return { what: `reminder ${name} of ${type}/${id}`, path };
}

/** One request on its way. Settles once. */
class Call implements Dispatcher.DispatchHandler {
  readonly #what: string;
  readonly #timeoutMs: number;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (failure: DaprCallFailure) => void;
  readonly #timer: NodeJS.Timeout;
  #sending: Dispatcher.DispatchController | null = null;
  #timedOut = false;
  #status = 0;
  #body: Buffer | null = null;

  constructor(
    what: string,
    timeoutMs: number,
    resolve: (answer: Answer) => void,
    reject: (failure: DaprCallFailure) => void,
  ) {
    this.#what = what;
    this.#timeoutMs = timeoutMs;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(() => this.#expire(), timeoutMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#timedOut) controller.abort(new Error("timed out before it was sent"));
    else this.#sending = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body = this.#body === null ? chunk : Buffer.concat([this.#body, chunk]);
  }

  onResponseEnd(): void {
    clearTimeout(this.#timer);
    const body = this.#body ?? noBytes;
    if (this.#status >= 200 && this.#status < 300) this.#resolve({ status: this.#status, body });
    else this.#reject(failureOf(this.#what, this.#status, body.toString()));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.#timer);
    if (this.#timedOut) return;
    const mayHaveRun = this.#sending !== null;
    const when = mayHaveRun ? "before it answered" : "before it was sent";
    const message = `The Dapr sidecar went away ${when}: ${this.#what} (${error.message}).`;
    this.#reject(new SidecarAway(message, { mayHaveRun, cause: error }));
  }

  #expire(): void {
    this.#timedOut = true;
    const mayHaveRun = this.#sending !== null;
    const why = mayHaveRun
      ? "Its actor, or the placement service, is slow or away"
      : "It was never sent: all connections were busy";
    const message = `No answer to ${this.#what} within ${this.#timeoutMs} ms. ${why}.`;
    this.#reject(new CallTimedOut(message, { mayHaveRun }));
    this.#sending?.abort(new Error("timed out"));
  }
}

const noBytes = Buffer.alloc(0);
