/**
 * A Dapr actor without Doppel, what ours are compared with: `noop` answers its body; `write` first puts 1 KB into the
 * actor's state by Dapr's transaction API (Dapr API reference, "Actor state transactions"), then answers. A process of its
 * own: `node bench/raw-actor.ts <grpc address> <http url>`, with the lean way of calling that our own client has.
 */
import { type Dispatcher, Pool } from "undici";
import { openActorStream } from "../actors/host/dapr/stream.ts";
import { silent } from "../actors/host/dapr/testing.ts";

export const rawActor = { type: "RawTwin", noop: "noop", write: "write" } as const;

const stateBytes = 1_024;

async function host(grpcAddress: string, httpUrl: string): Promise<void> {
  const pool = new Pool(httpUrl, { connections: 128, pipelining: 1 });
  const value = "x".repeat(stateBytes);
  const body = JSON.stringify([{ operation: "upsert", request: { key: "state", value } }]);
  await openActorStream({
    grpcAddress,
    types: { types: [rawActor.type], idleTimeoutSeconds: 3_600, drainSeconds: 1 },
    handlers: {
      async call({ id, method, body: asked }) {
        if (method === rawActor.write) await post(pool, `/v1.0/actors/${rawActor.type}/${id}/state`, body);
        return asked;
      },
      reminder: async () => {},
      deactivated: () => {},
    },
    onConnection: (connected) => process.send?.({ connected }),
    log: silent,
  });
  process.once("disconnect", () => process.exit(0));
}

function post(pool: Pool, path: string, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    pool.dispatch({ method: "POST", path, body, headers }, new Answer(resolve, reject));
  });
}

class Answer implements Dispatcher.DispatchHandler {
  readonly #done: () => void;
  readonly #fail: (error: Error) => void;
  #status = 0;

  constructor(done: () => void, fail: (error: Error) => void) {
    this.#done = done;
    this.#fail = fail;
  }

  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(): void {}

  onResponseEnd(): void {
    if (this.#status === 204) this.#done();
    else this.#fail(new Error(`Dapr answered ${this.#status} to a write of an actor's state.`));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }
}

if (import.meta.main) await host(process.argv[2]!, process.argv[3]!);
