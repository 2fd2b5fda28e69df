import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { throughBroker } from "../../../core/device/broker-session.ts";
import { takeTurn } from "../../../core/device/decide.ts";
import type { TwinInput } from "../../../core/device/inputs.ts";
import { defaultPolicy } from "../../../core/device/policy.ts";
import { isConnected, liveSession } from "../../../core/device/presence.ts";
import { newTwin, type Twin } from "../../../core/device/twin.ts";
import type { DeviceSummary } from "../../../ports/fleet-index/port.ts";
import { openEmqxApi } from "./management-api.ts";
import { startReconciler } from "./reconcile.ts";

type Client = { clientid: string; username?: string | null; connected_at: string; node?: string; connected?: boolean };
const at = (ms: number) => new Date(ms).toISOString().replace("Z", "+00:00");
const start = 1_760_000_000_000;

/** EMQX's management API over the clients in the list; answers `status` if it is set. */
async function fakeEmqx() {
  const clients: Client[] = [];
  const asked: string[] = [];
  const emqx = { clients, asked, status: 200, pageLimit: 2 };
  const server = createServer((request, response) => {
    const url = new URL(request.url!, "http://emqx");
    const id = decodeURIComponent(url.pathname.split("/")[4] ?? "");
    asked.push(`${request.method} ${url.pathname}${url.search}`);
    const answer = (status: number, body?: object) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    };
    if (request.headers.authorization !== `Basic ${btoa("key:secret")}`) answer(401, { code: "BAD_API_KEY_OR_SECRET" });
    else if (emqx.status !== 200) answer(emqx.status, { code: "NODE_DOWN" });
    else if (id !== "") {
      const index = clients.findIndex(({ clientid }) => clientid === id);
      if (index < 0) answer(404, { code: "CLIENTID_NOT_FOUND" });
      else if (request.method === "DELETE") {
        clients.splice(index, 1);
        answer(204);
      } else answer(200, { connected: true, ...clients[index] });
    } else {
      const page = Number(url.searchParams.get("page"));
      const like = url.searchParams.get("like_username");
      const exact = url.searchParams.get("clientid");
      const found = clients.filter(
        ({ clientid, username }) =>
          (like === null || (username ?? "").includes(like)) && (exact === null || clientid === exact),
      );
      const data = found.slice((page - 1) * emqx.pageLimit, page * emqx.pageLimit);
      const hasnext = page * emqx.pageLimit < found.length;
      answer(200, { data, meta: { page, limit: emqx.pageLimit, count: found.length, hasnext } });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(emqx, { url, api: openEmqxApi({ url, key: "key", secret: "secret" }) });
}

/** Twins in memory, with an index that is always up to date. */
class Fleet {
  readonly twins = new Map<string, Twin>();
  nowMs = start;

  take(device: string, input: TwinInput) {
    const twin = this.twins.get(device) ?? newTwin(device);
    const context = { nowMs: this.nowMs, policyOf: () => defaultPolicy, node: null, openRegistry: true };
    const outcome = takeTurn(twin, throughBroker(twin, input, this.nowMs), context);
    this.twins.set(device, outcome.twin);
    return outcome.reply;
  }

  connect(device: string, clientId: string, connectedAtMs: number) {
    this.take(device, { kind: "connected", session: { id: `${clientId}@${connectedAtMs}`, connectedAtMs, node: "n" } });
  }

  isConnected(device: string): boolean {
    return isConnected(this.twins.get(device)!.presence);
  }

  readonly host = { ask: async (device: string, input: TwinInput) => this.take(device, input) };
  readonly index = {
    devices: async (_filter: object, { cursor, limit }: { cursor: string | null; limit: number }) => {
      const all = [...this.twins.values()].map(({ id }) => ({ id, connected: this.isConnected(id) }) as DeviceSummary);
      const from = Number(cursor ?? 0);
      const size = Math.min(limit, 3);
      return { items: all.slice(from, from + size), next: from + size < all.length ? `${from + size}` : null };
    },
  };
}

async function reconciled(lock: (work: () => Promise<void>) => Promise<boolean> = (work) => work().then(() => true)) {
  const emqx = await fakeEmqx();
  const fleet = new Fleet();
  const warnings: string[] = [];
  const log = { info: () => {}, warn: (_: object, message: string) => warnings.push(message) };
  const reconciler = startReconciler({ api: emqx.api, fleet: fleet.index, host: fleet.host, lock, log, everyMs: 1e9 });
  onTestFinished(() => reconciler.stop());
  return { emqx, fleet, reconciler, warnings };
}

describe("presence compared with EMQX", () => {
  test("a fleet that agrees is left alone", async () => {
    const { emqx, fleet, reconciler } = await reconciled();
    for (let n = 0; n < 7; n++) {
      emqx.clients.push({ clientid: `pump-${n}`, username: "undefined", connected_at: at(start), node: "emqx@1" });
      fleet.connect(`pump-${n}`, `pump-${n}`, start);
    }
    const before = new Map(fleet.twins);
    for (let round = 0; round < 3; round++) expect(await reconciler.round()).toEqual({ connected: 0, disconnected: 0 });
    expect(fleet.twins).toEqual(before);
  });

  test("a connection that nobody told of is told when two rounds have seen it, and its commands go out", async () => {
    const { emqx, fleet, reconciler } = await reconciled();
    fleet.take("pump-4", { kind: "register", patch: {}, mode: "upsert" });
    const ask = { kind: "commandRequest", command: "c1", name: "open", parameters: {}, expiresInMs: null } as const;
    fleet.take("pump-4", ask);
    emqx.clients.push({
      clientid: "socket-7",
      username: "pump-4?SDK=Python",
      connected_at: at(start + 5),
      node: "emqx@1",
    });
    expect(await reconciler.round()).toEqual({ connected: 0, disconnected: 0 });
    expect(fleet.isConnected("pump-4")).toBe(false);
    expect(await reconciler.round()).toEqual({ connected: 1, disconnected: 0 });
    const { presence, commands } = fleet.twins.get("pump-4")!;
    expect(liveSession(presence)).toEqual({ id: `socket-7@${start + 5}`, connectedAtMs: start + 5, node: "emqx@1" });
    expect(commands.open[0]).toMatchObject({ id: "c1", state: "sent" });
  });

  test("a connection that is gone unsaid, as when a node is killed, is ended when two rounds have missed it", async () => {
    const { fleet, reconciler, emqx } = await reconciled();
    fleet.connect("pump-4", "socket-7", start);
    fleet.nowMs += 60_000;
    await reconciler.round();
    expect(fleet.isConnected("pump-4")).toBe(true);
    expect(await reconciler.round()).toEqual({ connected: 0, disconnected: 1 });
    expect(fleet.twins.get("pump-4")!.presence).toMatchObject({
      phase: "suspect",
      reason: "not connected at the broker",
    });
    expect(emqx.asked.at(-1)).toBe("GET /api/v5/clients/socket-7");
  });

  test("a client that the listing has skipped, and EMQX has, stays connected", async () => {
    const { emqx, fleet, reconciler } = await reconciled();
    fleet.connect("pump-4", "pump-4", start);
    emqx.pageLimit = 0; // lists nobody
    emqx.clients.push({ clientid: "pump-4", connected_at: at(start) });
    for (let round = 0; round < 3; round++) expect(await reconciler.round()).toEqual({ connected: 0, disconnected: 0 });
    expect(fleet.isConnected("pump-4")).toBe(true);
  });

  test("a connection that was wrongly taken to have ended is taken up again", async () => {
    const { emqx, fleet, reconciler } = await reconciled();
    fleet.connect("pump-4", "pump-4", start);
    fleet.nowMs += 10_000;
    fleet.take("pump-4", { kind: "status", session: "broker", status: "offline", will: false });
    expect(fleet.isConnected("pump-4")).toBe(false);
    emqx.clients.push({ clientid: "pump-4", connected_at: at(start) });
    await reconciler.round();
    expect(await reconciler.round()).toEqual({ connected: 1, disconnected: 0 });
    expect(fleet.isConnected("pump-4")).toBe(true);
    emqx.clients.length = 0;
    await reconciler.round();
    expect(await reconciler.round()).toEqual({ connected: 0, disconnected: 1 });
  });

  test("apps and our own processes are nobody's twins", async () => {
    const { emqx, fleet, reconciler } = await reconciled();
    for (const who of [{ clientid: "doppel-gateway-1" }, { clientid: "dashboard", username: "app:wall" }])
      emqx.clients.push({ ...who, connected_at: at(start) });
    for (let round = 0; round < 2; round++) expect(await reconciler.round()).toEqual({ connected: 0, disconnected: 0 });
    expect(fleet.twins.size).toBe(0);
  });

  test("only the gateway with the lock compares, and what it saw before does not count after a pause", async () => {
    let locked = false;
    const { emqx, fleet, reconciler } = await reconciled(async (work) => {
      if (locked) return false;
      await work();
      return true;
    });
    emqx.clients.push({ clientid: "pump-4", connected_at: at(start) });
    await reconciler.round();
    locked = true;
    const asked = emqx.asked.length;
    expect(await reconciler.round()).toBeNull();
    expect(emqx.asked).toHaveLength(asked);
    locked = false;
    expect(await reconciler.round()).toEqual({ connected: 0, disconnected: 0 });
    expect(await reconciler.round()).toEqual({ connected: 1, disconnected: 0 });
    expect(fleet.isConnected("pump-4")).toBe(true);
  });

  test("an EMQX that fails tells nothing, and nobody is disconnected by it", async () => {
    const { emqx, fleet, reconciler, warnings } = await reconciled();
    fleet.connect("pump-4", "pump-4", start);
    emqx.status = 500;
    expect([await reconciler.round(), await reconciler.round()]).toEqual([null, null]);
    expect(fleet.isConnected("pump-4")).toBe(true);
    expect(warnings).toHaveLength(2);
  });
});

describe("EMQX's API", () => {
  test("ends every connection of a device, and nobody else's", async () => {
    const { clients, api } = await fakeEmqx();
    const others = [{ clientid: "pump-41" }, { clientid: "b", username: "pump-4x" }, { clientid: "doppel-1" }];
    const own = [
      { clientid: "pump-4" },
      { clientid: "a/b", username: "pump-4" },
      { clientid: "c", username: "pump-4?SDK=x" },
    ];
    for (const client of [...others, ...own]) clients.push({ ...client, connected_at: at(start) });
    expect(await api.kick("pump-4")).toBe(3);
    expect(clients.map(({ clientid }) => clientid)).toEqual(others.map(({ clientid }) => clientid));
  });

  test("says where to look when the key is wrong", async () => {
    const { url } = await fakeEmqx();
    await expect(openEmqxApi({ url, key: "key", secret: "wrong" }).isConnected("a")).rejects.toThrow(
      /status 401.*EMQX_API_KEY/,
    );
  });
});
