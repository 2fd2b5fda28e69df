/**
 * What a call of a Dapr actor costs through our client and through @dapr/dapr's, beside the same sidecar and host:
 * `node bench/dapr-client.ts [--calls 20000] [--concurrency 64]`. The actor gives back its body, 400 bytes of JSON, and
 * lives in a process of its own. Linux; loopback only. Needs Go or DOPPEL_DAPR_BIN.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openDaprAdmin } from "../actors/host/dapr/admin.ts";
import { openDaprClient } from "../actors/host/dapr/client.ts";
import { openActorStream } from "../actors/host/dapr/stream.ts";
import { silent, startTestDapr } from "../actors/host/dapr/testing.ts";
import { cpuSecondsOf } from "./processes.ts";

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "20000" },
    concurrency: { type: "string", default: "64" },
    host: { type: "string" },
  },
});
const type = "Echo";
const actors = 1_000;
const timeoutMs = 60_000;

if (values.host === undefined) await compare(Number(values.calls), Number(values.concurrency));
else await host(values.host);

/** The other process: until its parent goes. */
async function host(grpcAddress: string): Promise<void> {
  const actorHost = await openActorStream({
    grpcAddress,
    types: { types: [type], idleTimeoutSeconds: 600, drainSeconds: 1 },
    handlers: { call: async ({ body }) => body, reminder: async () => {}, deactivated: () => {} },
    onConnection: (connected) => process.send?.({ connected }),
    log: silent,
  });
  process.once("disconnect", () => void actorHost.close());
}

async function compare(calls: number, concurrency: number): Promise<void> {
  const dapr = await startTestDapr();
  let child: ChildProcess | null = null;
  try {
    const sidecar = await dapr.sidecar({ appId: "bench" });
    child = fork(fileURLToPath(import.meta.url), ["--host", `127.0.0.1:${sidecar.grpcPort}`]);
    await once(child, "message");
    const client = openDaprClient({ httpUrl: sidecar.url, connections: concurrency });
    const admin = openDaprAdmin({ httpUrl: sidecar.url, timeoutMs, log: silent });
    const turns = { turns: "x".repeat(380) };
    const body = JSON.stringify([turns]);
    const ways: [string, (id: string) => Promise<unknown>][] = [
      ["actors/host/dapr/client.ts", (id) => client.invoke(type, id, "turns", body, { timeoutMs })],
      ["@dapr/dapr", (id) => admin.ask(type, id, "turns", turns)],
    ];
    const pids = [process.pid, sidecar.pid, child.pid!];
    console.log("client, CPU µs per call: this process | sidecar | host of the actors; calls/s");
    for (const [name, call] of ways) {
      await run(call, Math.ceil(calls / 4), concurrency);
      const before = pids.map(cpuSecondsOf);
      const startedMs = performance.now();
      await run(call, calls, concurrency);
      const seconds = (performance.now() - startedMs) / 1000;
      const cpu = pids.map((pid, index) => Math.round(((cpuSecondsOf(pid) - before[index]!) / calls) * 1e6));
      console.log(`${name}: ${cpu.join(" | ")}; ${Math.round(calls / seconds)}`);
    }
    await client.close();
  } finally {
    child?.kill();
    await dapr.close();
  }
}

async function run(call: (id: string) => Promise<unknown>, calls: number, concurrency: number): Promise<void> {
  let left = calls;
  const one = async () => {
    while (left-- > 0) await call(`d${left % actors}`);
  };
  await Promise.all(Array.from({ length: concurrency }, one));
}
