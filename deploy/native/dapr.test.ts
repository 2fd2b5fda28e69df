import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { testDatabase } from "../../ports/postgres/testing.ts";
import { type Daprd, type DaprService, startDaprd, startPlacement, startScheduler } from "./dapr.ts";
import { DaprBuildFailed, daprBinaries } from "./dapr-build.ts";
import type { NativeProcess } from "./process.ts";

const FIRST_BUILD_MS = 15 * 60_000;
const SETTLED = { timeout: 60_000, interval: 100 };

describe("Dapr without containers", () => {
  const folder = mkdtempSync(join(tmpdir(), "doppel-dapr-"));
  const closers: (() => Promise<unknown>)[] = [];
  let placement: DaprService;
  let scheduler: DaprService;
  /** Beside an actor host, and beside callers that host nothing. */
  let host: Daprd;
  let sameApp: Daprd;
  let otherApp: Daprd;

  beforeAll(async () => {
    await daprBinaries((line) => console.error(line));
    const database = await testDatabase();
    closers.push(database.close);
    placement = await startPlacement({ folder });
    closers.push(() => placement.stop());
    scheduler = await startScheduler({ folder });
    closers.push(() => scheduler.stop());
    const common = { folder, placement, scheduler, env: { DATABASE_URL: database.url } };
    host = await startDaprd({ ...common, appId: "actors" });
    closers.push(() => host.stop());
    sameApp = await startDaprd({ ...common, appId: "actors" });
    closers.push(() => sameApp.stop());
    otherApp = await startDaprd({ ...common, appId: "callers" });
    closers.push(() => otherApp.stop());
  }, FIRST_BUILD_MS);

  afterAll(async () => {
    for (const close of closers.reverse()) await close();
    rmSync(folder, { recursive: true, force: true });
  }, 150_000);

  test("every server says that it is well", async () => {
    for (const port of [placement.healthPort, scheduler.healthPort])
      expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    const sidecar = async () => (await fetch(`${host.url}/v1.0/healthz`)).status;
    await vi.waitFor(async () => expect(await sidecar()).toBe(204), SETTLED); // it also awaits the scheduler
    expect((await fetch(`http://127.0.0.1:${host.metricsPort}/metrics`)).status).toBe(200);
  });

  test("nothing listens but on loopback", () => {
    for (const server of [placement, scheduler, host]) {
      const addresses = listening(server);
      expect(addresses.length).toBeGreaterThanOrEqual(4);
      expect(addresses.filter((address) => !address.startsWith("127.0.0.1:"))).toEqual([]);
    }
  });

  test("a sidecar has the actors' state store of components/, on PostgreSQL", async () => {
    const store = `${otherApp.url}/v1.0/state/doppel-actors`;
    const saved = await post(store, [{ key: "pump-4", value: { level: 7 } }]);
    expect(saved.status).toBe(204);
    expect(await (await fetch(`${store}/pump-4`)).json()).toEqual({ level: 7 });
    const { components } = await metadata(otherApp);
    expect(components).toMatchObject([{ name: "doppel-actors", type: "state.postgresql", version: "v2" }]);
  });

  test("an actor answers through any sidecar, of its own application and of another", async () => {
    await hostActors(host, "Pump");
    for (const caller of [host, sameApp, otherApp])
      expect(await call(caller, "Pump", "pump-4", "start")).toBe("start pump-4");
    expect((await metadata(host)).actorRuntime).toMatchObject({
      hostReady: true,
      activeActors: [{ type: "Pump", count: 1 }],
    });
  });

  test("a sidecar killed with -9 starts again where its application looks for it, and hosts again", async () => {
    const before = host;
    host = await host.restart();
    expect({ url: host.url, grpc: host.grpcPort }).toEqual({ url: before.url, grpc: before.grpcPort });
    expect(host.internalPort).not.toBe(before.internalPort);
    expect((await before.exited).signal).toBe("SIGKILL");
    await hostActors(host, "Valve");
    await vi.waitFor(
      async () => expect(await call(otherApp, "Valve", "valve-1", "open")).toBe("open valve-1"),
      SETTLED,
    );
  }, 150_000);

  test("a placement killed with -9 starts again, and the sidecars find it", async () => {
    await hostActors(host, "Fan");
    await vi.waitFor(async () => expect(await call(otherApp, "Fan", "fan-1", "spin")).toBe("spin fan-1"), SETTLED);
    placement = await placement.restart();
    await vi.waitFor(async () => expect(await call(otherApp, "Fan", "fan-2", "spin")).toBe("spin fan-2"), SETTLED);
  }, 150_000);
});

test("a folder of programs that lacks some is refused by name", async () => {
  const empty = mkdtempSync(join(tmpdir(), "doppel-dapr-"));
  onTestFinished(() => rmSync(empty, { recursive: true }));
  const attempt = daprBinaries(undefined, { DOPPEL_DAPR_BIN: empty });
  await expect(attempt).rejects.toThrow(DaprBuildFailed);
  await expect(attempt).rejects.toThrow(
    `DOPPEL_DAPR_BIN is ${empty}, but this folder lacks daprd, placement, scheduler.`,
  );
});

test("without Go, one is told what to install or set", async () => {
  const attempt = daprBinaries(undefined, { PATH: "/nowhere", HOME: "/nowhere" });
  await expect(attempt).rejects.toThrow(/Install Go 1\.\d+\.\d+ or newer, or set DOPPEL_DAPR_BIN to a folder/);
});

type Asked = { id: string; actor_id: string; method: string };
type FromSidecar = { response_type: string; invoke_request?: Asked | null; deactivate_request?: Asked | null };
type DaprClient = Client & { SubscribeActorEventsAlpha1(): ClientDuplexStream<object, FromSidecar> };

/** The smallest actor host: each call is answered with its method and the actor's id. Ends with the test. */
async function hostActors(sidecar: Daprd, type: string): Promise<void> {
  const file = fileURLToPath(new URL("../../dapr/proto/actor-stream.proto", import.meta.url));
  const loaded = loadPackageDefinition(loadSync(file, { keepCase: true, oneofs: true })) as unknown as {
    dapr: { proto: { runtime: { v1: { Dapr: new (address: string, trust: ChannelCredentials) => DaprClient } } } };
  };
  const client = new loaded.dapr.proto.runtime.v1.Dapr(`127.0.0.1:${sidecar.grpcPort}`, credentials.createInsecure());
  const stream = client.SubscribeActorEventsAlpha1();
  onTestFinished(() => {
    stream.cancel();
    client.close();
  });
  await new Promise<void>((resolve, reject) => {
    stream.on("error", reject);
    stream.on("data", ({ response_type, invoke_request, deactivate_request }: FromSidecar) => {
      if (response_type === "initial_response") resolve();
      if (invoke_request) {
        const { id, method, actor_id } = invoke_request;
        stream.write({ invoke_response: { id, data: Buffer.from(`${method} ${actor_id}`) } });
      }
      // The sidecar registers with no placement again before each of these is answered.
      if (deactivate_request) stream.write({ deactivate_response: { id: deactivate_request.id } });
    });
    stream.write({ initial_request: { entities: [type] } });
  });
}

async function call(sidecar: Daprd, type: string, id: string, method: string): Promise<string> {
  const response = await post(`${sidecar.url}/v1.0/actors/${type}/${id}/method/${method}`, {});
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response.text();
}

function post(url: string, body: unknown): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(url, { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(10_000) });
}

async function metadata(sidecar: Daprd): Promise<{ components: unknown; actorRuntime: unknown }> {
  return (await (await fetch(`${sidecar.url}/v1.0/metadata`)).json()) as { components: unknown; actorRuntime: unknown };
}

/** host:port of every TCP listener and UDP socket of the process, as the kernel has them. */
function listening({ pid }: NativeProcess): string[] {
  const sockets = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)));
  return ["tcp", "tcp6", "udp", "udp6"].flatMap((protocol) =>
    readFileSync(`/proc/${pid}/net/${protocol}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(
        ([, , , state, , , , , , inode]) => sockets.has(`socket:[${inode}]`) && (state === "0A" || state === "07"),
      )
      .map(([, local = ""]) => readable(local)),
  );
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

/** "0100007F:1F90" is 127.0.0.1:8080; what is of IPv6 stays as it is. */
function readable(local: string): string {
  const [address = "", port = ""] = local.split(":");
  if (address.length !== 8) return local;
  return `${Buffer.from(address, "hex").reverse().join(".")}:${Number.parseInt(port, 16)}`;
}
