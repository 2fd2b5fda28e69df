import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Daprd, startDaprd } from "../../deploy/native/dapr.ts";
import { daprBinaries } from "../../deploy/native/dapr-build.ts";
import { testDatabase } from "../postgres/testing.ts";
import { aRecord, aWrite, twinStateContract } from "./contract.ts";
import { openDaprTwinState } from "./dapr.ts";

const firstBuildMs = 15 * 60_000;
const folder = mkdtempSync(join(tmpdir(), "doppel-twin-state-"));
const closers: (() => Promise<unknown>)[] = [];
let sidecar: Daprd;

beforeAll(async () => {
  await daprBinaries((line) => console.error(line));
  const database = await testDatabase();
  closers.push(database.close);
  for (const store of [postgresComponent(database.url), memoryComponent]) {
    writeFileSync(join(folder, `${store.metadata.name}.yaml`), JSON.stringify(store)); // YAML takes JSON
  }
  // The state API needs neither placement nor scheduler.
  const nobody = { address: "" };
  sidecar = await startDaprd({
    folder,
    appId: "actors",
    componentsFolder: folder,
    placement: nobody,
    scheduler: nobody,
  });
  closers.push(() => sidecar.stop());
}, firstBuildMs);

afterAll(async () => {
  for (const close of closers.reverse()) await close();
  rmSync(folder, { recursive: true });
});

for (const [name, stateStore] of [
  ["Dapr's state API on PostgreSQL", "in-postgres"],
  ["Dapr's state API in memory", "in-memory"],
] as const) {
  twinStateContract(name, async () => {
    // One sidecar for all tests: each begins by forgetting what the one before has left.
    await forgetAll(stateStore);
    const options = { daprHttpUrl: sidecar.url, stateStore };
    return {
      fenced: true,
      sweepable: false,
      openFor: async () => openDaprTwinState(options),
      clock: { nowMs: 0 },
      spoil: (device) => post(`/v1.0/state/${stateStore}`, [{ key: `twin-${device}`, value: "not a twin" }]),
      close: async () => {},
    };
  });
}

test("a state that cannot be read is not written over", async () => {
  await forgetAll("in-memory");
  const store = openDaprTwinState({ daprHttpUrl: sidecar.url, stateStore: "in-memory" });
  await post("/v1.0/state/in-memory", [{ key: "twin-pump-4", value: "not a twin" }]);
  expect(await store.commit([aWrite("pump-4", 0), aWrite("pump-5", 0)])).toEqual(["stale", "committed"]);
  expect((await store.load(["pump-4"])).get("pump-4")).toHaveProperty("unreadable");
});

test("two hosts that write the same new twin at once: one commits, the other is stale", async () => {
  for (const stateStore of ["in-postgres", "in-memory"]) {
    await forgetAll(stateStore);
    const stores = [1, 2, 3].map(() => openDaprTwinState({ daprHttpUrl: sidecar.url, stateStore }));
    const write = aWrite("pump-4", 0, { records: [aRecord("pump-4", "d1.0")] });
    const outcomes = await Promise.all(stores.map((store) => store.commit([write])));
    expect(outcomes.flat().toSorted()).toEqual(["committed", "stale", "stale"]);
  }
});

test("a sidecar or a store that is not there is told", async () => {
  const away = openDaprTwinState({ daprHttpUrl: "http://127.0.0.1:9", stateStore: "in-memory" });
  await expect(away.load(["pump-4"])).rejects.toMatchObject({ code: "DAPR_STATE_FAILED", retry: "later" });
  const unknown = openDaprTwinState({ daprHttpUrl: sidecar.url, stateStore: "nowhere" });
  await expect(unknown.load(["pump-4"])).rejects.toThrow("nowhere");
});

async function post(path: string, body: unknown): Promise<void> {
  const response = await fetch(`${sidecar.url}${path}`, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
}

/** Every device that the contract knows. */
async function forgetAll(stateStore: string): Promise<void> {
  const devices = Array.from({ length: 500 }, (_, index) => `pump-${index}`);
  const operations = devices.map((device) => ({ operation: "delete", request: { key: `twin-${device}` } }));
  await post(`/v1.0/state/${stateStore}/transaction`, { operations });
}

function component(name: string, type: string, version: string, metadata: Record<string, string>) {
  const values = Object.entries(metadata).map(([key, value]) => ({ name: key, value }));
  const spec = { type, version, metadata: values };
  return { apiVersion: "dapr.io/v1alpha1", kind: "Component", metadata: { name }, spec };
}

const memoryComponent = component("in-memory", "state.in-memory", "v1", {});

function postgresComponent(url: string) {
  return component("in-postgres", "state.postgresql", "v2", { connectionString: url, tablePrefix: "dapr_" });
}
