import { Server, ServerCredentials, type ServerDuplexStream, status } from "@grpc/grpc-js";
import { loadSync, type ServiceDefinition } from "@grpc/proto-loader";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import type { ActorProtocol } from "../protocol-port.ts";
import { type ActorHostLog, openActorStream, retryDelayMs } from "./stream.ts";
import { silent } from "./testing.ts";

test("a sidecar that is away is tried after 50 ms, then ever more rarely, but each 2 s for ever", () => {
  expect([1, 2, 3, 4, 5, 6, 7].map(retryDelayMs)).toEqual([50, 100, 200, 400, 800, 1_600, 2_000]);
  fc.assert(fc.property(fc.integer({ min: 7, max: 100_000 }), (failures) => retryDelayMs(failures) === 2_000));
});

test("there is never more than one stream, however often the sidecar ends it", async () => {
  const { sidecar, host } = await hosted();
  for (let round = 0; round < 3; round++) {
    await until(() => host.connected);
    if (round === 1) sidecar.streams.at(-1)!.emit("error", { code: status.UNAVAILABLE, details: "restarting" });
    else sidecar.streams.at(-1)!.end();
    await until(() => !host.connected);
  }
  await until(() => host.connected);
  expect(sidecar.streams.length).toBe(4);
  expect(sidecar.mostOpen()).toBe(1);
});

test("the first message says which types live here, for how long, and that calls under way are waited for", async () => {
  const { sidecar, host } = await hosted();
  await until(() => host.connected);
  expect(sidecar.received[0]).toMatchObject({
    initial_request: {
      entities: ["Pump"],
      actor_idle_timeout: { seconds: 60 },
      drain_ongoing_call_timeout: { seconds: 2 },
      drain_rebalanced_actors: true,
    },
  });
});

test("an answer that outlives its stream is not given to the next, whose ids begin anew", async () => {
  let answer = () => {};
  const { sidecar, host } = await hosted({
    call: () =>
      new Promise((resolve) => {
        answer = () => resolve(Buffer.from("late"));
      }),
  });
  await until(() => host.connected);
  const ask = { invoke_request: { id: "1", actor_type: "Pump", actor_id: "a", method: "m", data: Buffer.from("x") } };
  sidecar.streams[0]!.write(ask);
  const first = answer;
  await until(() => answer !== first);
  const late = answer;
  sidecar.streams[0]!.end();
  await until(() => !host.connected);
  await until(() => host.connected);
  late();
  sidecar.streams[1]!.write({ timer_request: { id: "2", actor_type: "Pump", actor_id: "a", name: "t" } });
  await until(() => sidecar.received.length > 2);
  expect(sidecar.received.slice(2)).toEqual([{ timer_response: { id: "2", cancel: true } }]);
});

test("a reminder whose data is not understood fails, and is told", async () => {
  const errors: unknown[] = [];
  const { sidecar, host } = await hosted({}, { ...silent, error: (error: unknown) => void errors.push(error) });
  await until(() => host.connected);
  const data = { type_url: "type.googleapis.com/google.protobuf.StringValue", value: Buffer.from([0x0a, 1, 0x31]) };
  sidecar.streams[0]!.write({ reminder_request: { id: "7", actor_type: "Pump", actor_id: "a", name: "r", data } });
  await until(() => sidecar.received.length > 1);
  expect(sidecar.received[1]).toMatchObject({ request_failed: { id: "7", code: status.INTERNAL } });
  expect(errors.length).toBe(1);
});

test("a deactivation that throws is answered nevertheless", async () => {
  const { sidecar, host } = await hosted({
    deactivated: () => {
      throw new Error("a bug");
    },
  });
  await until(() => host.connected);
  sidecar.streams[0]!.write({ deactivate_request: { id: "3", actor_type: "Pump", actor_id: "a" } });
  await until(() => sidecar.received.length > 1);
  expect(sidecar.received[1]).toEqual({ deactivate_response: { id: "3" } });
});

test("a sidecar that was started with an application port is told to the operator, with what to do", async () => {
  const errors: string[] = [];
  const log = { ...silent, error: (_fields: unknown, message: string) => void errors.push(message) } as ActorHostLog;
  await hosted({}, log, (stream) => stream.emit("error", { code: status.FAILED_PRECONDITION, details: "no" }));
  await until(() => errors.length > 0);
  expect(errors[0]).toContain("without --app-port");
});

test("a host can be closed while its sidecar is away", async () => {
  const host = await open("127.0.0.1:1");
  await host.close();
  expect(host.connected).toBe(false);
});

// biome-ignore lint/suspicious/noExplicitAny: the fake writes what the protocol file says
type Stream = ServerDuplexStream<any, any>;
type Sidecar = { address: string; streams: Stream[]; received: unknown[]; mostOpen(): number };

async function hosted(
  handlers: Partial<Parameters<typeof openActorStream>[0]["handlers"]> = {},
  log: ActorHostLog = silent,
  greet: (stream: Stream) => void = (stream) => stream.write({ initial_response: {} }),
): Promise<{ sidecar: Sidecar; host: ActorProtocol }> {
  const sidecar = await fakeSidecar(greet);
  return { sidecar, host: await open(sidecar.address, handlers, log) };
}

async function open(
  grpcAddress: string,
  handlers: Partial<Parameters<typeof openActorStream>[0]["handlers"]> = {},
  log: ActorHostLog = silent,
): Promise<ActorProtocol> {
  const host = await openActorStream({
    grpcAddress,
    types: { types: ["Pump"], idleTimeoutSeconds: 60, drainSeconds: 2 },
    handlers: { call: async ({ body }) => body, reminder: async () => {}, deactivated: () => {}, ...handlers },
    log,
  });
  onTestFinished(() => host.close());
  return host;
}

/** Speaks the stream's protocol, and greets each first message as it is told. */
async function fakeSidecar(greet: (stream: Stream) => void): Promise<Sidecar> {
  const protocol = new URL("../../../dapr/proto/actor-stream.proto", import.meta.url).pathname;
  const definition = loadSync(protocol, { keepCase: true, longs: Number, oneofs: false });
  const server = new Server();
  const streams: Stream[] = [];
  const received: unknown[] = [];
  let open = 0;
  let most = 0;
  server.addService(definition["dapr.proto.runtime.v1.Dapr"] as ServiceDefinition, {
    SubscribeActorEventsAlpha1: (stream: Stream) => {
      streams.push(stream);
      most = Math.max(most, ++open);
      let ended = false;
      const end = () => {
        if (!ended) open--;
        ended = true;
      };
      stream.on("cancelled", end).on("end", end).on("close", end).on("error", end).on("finish", end);
      stream.on("data", (message) => {
        received.push(message);
        if (message.initial_request) greet(stream);
      });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  onTestFinished(() => server.forceShutdown());
  return { address: `127.0.0.1:${port}`, streams, received, mostOpen: () => most };
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`Not within 10 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
