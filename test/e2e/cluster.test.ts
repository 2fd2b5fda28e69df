/** What only the distributed mode has: hosts that come and go, die and stand still, and twins that move. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { simulate } from "../../simulator/simulate.ts";
import { type DistributedSystem, startDistributed } from "../distributed-system.ts";
import { type Answer, type Doppel, eventually, withClients } from "../harness.ts";
import { connectListening, isConnected } from "./listening.ts";

let doppel: DistributedSystem & Doppel;
let database: pg.Client;
beforeAll(async () => {
  doppel = withClients(await startDistributed({ graceSeconds: 1 }));
  database = new pg.Client({ connectionString: doppel.databaseUrl });
  database.on("error", () => {});
  await database.connect();
});
afterAll(async () => {
  await database?.end();
  await doppel?.close();
});

const hostNames = ["actors-1", "actors-2", "actors-3"];
const read = (id: string) => doppel.call("GET", `/v1/devices/${id}`);

type Talker = Awaited<ReturnType<Doppel["device"]>>;

/** Devices that are connected, each with a twin in memory somewhere. */
async function fleet(prefix: string, count: number): Promise<Map<string, Talker>> {
  const ids = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  const talkers = new Map(await Promise.all(ids.map(async (id) => [id, await doppel.device(id)] as const)));
  for (const [id, talker] of talkers) await say(talker, id, 0);
  await Promise.all(ids.map((id) => isConnected(doppel, id)));
  return talkers;
}

function say(talker: Talker, id: string, seq: number) {
  const message = JSON.stringify({ seq, boot: "b", ts: Date.now(), readings: { n: seq } });
  return talker.publishAsync(`devices/${id}/telemetry`, message, { qos: 1 });
}

/** Each says its number, and each twin knows it. */
async function isServed(talkers: Map<string, Talker>, seq: number): Promise<void> {
  await Promise.all([...talkers].map(([id, talker]) => say(talker, id, seq)));
  await Promise.all(
    [...talkers.keys()].map((id) =>
      eventually(async () => expect((await read(id)).latest.n).toMatchObject({ value: seq }), 30_000),
    ),
  );
}

async function hosts(): Promise<{ name: string; alive: boolean; twins: number }[]> {
  const { members } = await doppel.call("GET", "/v1/cluster");
  return members
    .filter(({ role, alive }: Answer) => role === "actors" && alive)
    .map(({ name, alive, status }: Answer) => ({ name, alive, twins: status.twins }))
    .toSorted((a: Answer, b: Answer) => a.name.localeCompare(b.name));
}

/** Every host lives and has twins. */
async function allHostsWork(): Promise<void> {
  await eventually(async () => {
    const now = await hosts();
    expect(now.map(({ name }) => name)).toEqual(hostNames);
    for (const { twins } of now) expect(twins).toBeGreaterThan(0);
  }, 30_000);
}

/** The host that has written the twin last: the name of its process. */
async function hostOf(device: string): Promise<string> {
  const { rows } = await database.query("select owner from twin_states where device = $1", [device]);
  return /^(actors-\d+)-/.exec(rows[0]?.owner ?? "")![1]!;
}

async function announcements(id: string): Promise<string[]> {
  const { items } = await doppel.call("GET", `/v1/devices/${id}/events?kinds=presence`);
  return items.toReversed().flatMap(({ status }: Answer) => status ?? []);
}

test("the cluster shows three hosts, and twins on each of them", async () => {
  await fleet("spread", 40);
  await allHostsWork();
  // Each process tells of itself once a second.
  await eventually(async () =>
    expect((await doppel.call("GET", "/v1/cluster")).twinsInMemory).toBeGreaterThanOrEqual(40),
  );
  const { mode, members, placement } = await doppel.call("GET", "/v1/cluster");
  expect(mode).toBe("distributed");
  expect(placement).toMatchObject({ connected: true });
  const roles = members.filter(({ alive }: Answer) => alive).map(({ role }: Answer) => role);
  expect(roles.filter((role: string) => role === "gateways")).toHaveLength(2);
  expect(roles).toEqual(expect.arrayContaining(["apis", "sinks"]));
});

test("a replay of the running system, as the guide has it, finds every reading in Kafka, once", async () => {
  const talkers = await fleet("replayed", 5);
  for (const seq of [1, 2, 3]) await isServed(talkers, seq);
  const count = async (schema: string) => {
    const { rows } = await database.query(
      `select count(*)::int as n, count(distinct (device_id, ts))::int as different from ${schema}.telemetry
       where device_id like 'replayed-%'`,
    );
    return rows[0];
  };
  await eventually(async () => expect(await count("public")).toEqual({ n: 20, different: 20 }));
  expect(await replay("--sink", "timeseries", "--into", "twice")).toMatch(/^Done: /m);
  expect(await count("twice")).toEqual({ n: 20, different: 20 });
  await database.query("delete from telemetry where device_id = 'replayed-2'");
  expect(await replay("--sink", "timeseries", "--from", "earliest", "--to", "latest")).toContain(
    " 4 were missing and are there again.",
  );
  expect(await count("public")).toEqual({ n: 20, different: 20 });
});

/** `npm run replay -- --mode distributed …`; what it says. */
async function replay(...options: string[]): Promise<string> {
  const { databaseUrl, kafkaBrokers } = doppel.native.places;
  const env = { ...process.env, DATABASE_URL: databaseUrl, KAFKA_BROKERS: kafkaBrokers.join(",") };
  const script = join(import.meta.dirname, "../../scripts/replay.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script, "--mode", "distributed", ...options], {
    env,
  });
  return stdout;
}

test("a host that is killed is missed by nobody: its twins come back elsewhere, and who fell silent with it is offline", async () => {
  await doppel.call("PUT", "/v1/device-types/talkative", { silenceMs: 4_000 });
  await new Promise((resolve) => setTimeout(resolve, 3_000)); // the hosts look for changed types every two seconds
  await doppel.call("POST", "/v1/devices", { id: "mute", type: "talkative" });
  const talkers = await fleet("killed", 30);
  const mute = await doppel.device("mute");
  await mute.publishAsync("devices/mute/heartbeat", "", { qos: 1 });
  await isConnected(doppel, "mute");
  const victim = await hostOf("mute");
  await doppel.native.process(victim).kill();
  onTestFinished(() => doppel.native.process(victim).start());
  await isServed(talkers, 1);
  // Nobody asks for the twin, which would wake it: only the sweeper of another host can have noticed.
  await eventually(async () => expect(await announcements("mute")).toEqual(["online", "offline"]), 30_000);
  await eventually(async () =>
    expect((await hosts()).map(({ name }) => name)).toEqual(hostNames.filter((name) => name !== victim)),
  );
  await doppel.native.process(victim).start();
  await isServed(talkers, 2);
  await fleet("after-kill", 30);
  await allHostsWork();
});

test("a sidecar that is killed comes back, and its host with it", async () => {
  const talkers = await fleet("sidecar", 30);
  await doppel.native.process("actors-2-daprd").crash();
  await isServed(talkers, 1);
  await doppel.native.ready();
  await isServed(talkers, 2);
  await fleet("after-sidecar", 30);
  await allHostsWork();
});

test("a host that stood still for eight seconds makes no second effect", async () => {
  const talkers = await fleet("paused", 12);
  const ids = [...talkers.keys()];
  const victim = await hostOf(ids[0]!);
  const asked = new Map(ids.map((id) => [id, 0]));
  const versions = new Map(ids.map((id) => [id, [] as number[]]));
  let going = true;
  onTestFinished(() => {
    going = false;
  });
  const asking = ids.map(async (id) => {
    for (let n = 1; going; n += 1) {
      asked.set(id, n);
      const { version } = await eventually(() =>
        doppel.call("PATCH", `/v1/devices/${id}/shadow`, { state: { desired: { [`n${n % 5}`]: n } } }),
      );
      versions.get(id)!.push(version);
    }
  });
  const process = doppel.native.process(victim);
  await process.pause();
  await new Promise((resolve) => setTimeout(resolve, 8_000)); // so long it stands still
  await process.resume();
  await eventually(async () => expect((await hosts()).map(({ name }) => name)).toEqual(hostNames), 30_000);
  going = false;
  await Promise.all(asking);
  await isServed(talkers, 1);
  for (const id of ids) {
    const shadow = await doppel.call("GET", `/v1/devices/${id}/shadow`);
    const told = versions.get(id)!;
    expect(told).toEqual([...new Set(told)].toSorted((a, b) => a - b));
    expect([id, shadow.version]).toEqual([id, asked.get(id)]);
  }
}, 120_000);

test("hosts are taken away and added while devices talk: what was acknowledged is in the history", async () => {
  const ids = Array.from({ length: 10 }, (_, index) => `scale-${index}`);
  const said = new Map<string, number[]>(ids.map((id) => [id, []]));
  const fromMs = Date.now() - 1_000;
  let going = true;
  onTestFinished(() => {
    going = false;
  });
  const talking = ids.map(async (id) => {
    const talker = await doppel.device(id);
    for (let seq = 0; going; seq += 1) {
      await say(talker, id, seq);
      said.get(id)!.push(seq);
      await new Promise((resolve) => setTimeout(resolve, 50)); // the rhythm of a device
    }
  });
  await eventually(() => expect(Math.min(...[...said.values()].map(({ length }) => length))).toBeGreaterThan(10));
  await doppel.native.scale("actors", 2);
  await eventually(async () => expect((await hosts()).map(({ name }) => name)).toEqual(hostNames.slice(0, 2)));
  await doppel.native.scale("actors", 3);
  await eventually(async () => expect((await hosts()).map(({ name }) => name)).toEqual(hostNames));
  going = false;
  await Promise.all(talking);
  for (const id of ids)
    await eventually(async () => {
      const { points } = await doppel.call(
        "GET",
        `/v1/devices/${id}/telemetry?metric=n&from=${fromMs}&to=${Date.now()}&maxPoints=10000`,
      );
      const there = points.map(({ value }: Answer) => value).toSorted((a: number, b: number) => a - b);
      expect(there).toEqual(said.get(id));
    }, 60_000);
}, 180_000);

test("a twin whose stored state cannot be read is out of service, and no other", async () => {
  const talkers = await fleet("row", 10);
  const desire = (id: string, expect?: number) =>
    doppel.call("PATCH", `/v1/devices/${id}/shadow`, { state: { desired: { a: Math.random() } } }, expect);
  for (const id of talkers.keys()) await desire(id);
  const sound = await database.query("select state from twin_states where device = 'row-0'");
  // The revision too: a host that has the twin in memory would write over it.
  await database.query("update twin_states set state = '{', revision = revision + 1 where device = 'row-0'");
  const problem = await eventually(() => desire("row-0", 503));
  expect(problem.detail).toContain("row-0 cannot be read");
  await talkers.get("row-0")!.publishAsync("devices/row-0/telemetry", '{"readings":{"n":9}}', { qos: 1 });
  await eventually(async () =>
    expect((await doppel.call("GET", "/v1/dead-letters?device=row-0")).items).toContainEqual(
      expect.objectContaining({ reason: "twin-unreadable", payload: '{"readings":{"n":9}}' }),
    ),
  );
  talkers.delete("row-0");
  await isServed(talkers, 1);
  await database.query("update twin_states set state = $1 where device = 'row-0'", [sound.rows[0].state]);
  await eventually(() => desire("row-0"));
});

test("the simulator's fleet lives on it, faults and all", async () => {
  const simulation = await simulate({
    mqttUrl: doppel.mqttUrl,
    apiUrl: doppel.httpUrl,
    apiKey: undefined,
    token: undefined,
    devices: 40,
    prefix: "sim-",
    rate: 2,
    seed: 4,
    sleepers: 0.1,
    misbehaviour: { duplicates: 0.05, bad: 0.02, losses: 0.01 },
    say: () => {},
    progressMs: 0,
  });
  let running = true;
  const stop = async () => {
    if (running) await simulation.stop();
    running = false;
  };
  onTestFinished(stop);
  await eventually(() => expect(simulation.tally.acknowledged).toBeGreaterThan(400), 60_000);
  const [device] = (await doppel.call("GET", "/v1/devices?search=sim-&status=online")).items;
  await doppel.call("PATCH", `/v1/devices/${device.id}/shadow`, { state: { desired: { unit: "F" } } });
  await eventually(
    async () => expect((await doppel.call("GET", `/v1/devices/${device.id}/shadow`)).state.reported.unit).toBe("F"),
    30_000,
  );
  await stop();
  await eventually(async () =>
    expect((await doppel.call("GET", "/v1/devices?search=sim-&status=offline&limit=1")).total).toBe(40),
  );
}, 120_000);

test("all roles killed at once lose nothing that was acknowledged", async () => {
  const device = await connectListening(doppel.mqttUrl, "phoenix");
  await doppel.call("POST", "/v1/devices", { id: "phoenix" }).catch(() => {});
  const { id: command } = await doppel.call("POST", "/v1/devices/phoenix/commands", { name: "remember" });
  const { version } = await doppel.call("PATCH", "/v1/devices/phoenix/shadow", { state: { desired: { a: 1 } } });
  const fromMs = Date.now();
  const names = [...doppel.native.processes.keys()].filter((name) => /^(gateways|actors|apis|sinks)-/.test(name));
  for (let seq = 0; seq < 50; seq += 1) {
    const message = JSON.stringify({ seq, boot: "b", ts: fromMs + seq, readings: { n: seq } });
    await device.client.publishAsync("devices/phoenix/telemetry", message, { qos: 1 });
    if (seq === 25) await Promise.all(names.map((name) => doppel.native.process(name).kill()));
  }
  await Promise.all(names.map((name) => doppel.native.process(name).start()));
  await doppel.native.ready();
  await eventually(async () => {
    const path = `/v1/devices/phoenix/telemetry?metric=n&from=${fromMs}&to=${fromMs + 50}&maxPoints=100`;
    const { points } = await doppel.call("GET", path);
    expect(points.map(({ value }: Answer) => value)).toEqual(Array.from({ length: 50 }, (_, seq) => seq));
  }, 60_000);
  expect(await doppel.call("GET", `/v1/devices/phoenix/commands/${command}`)).toMatchObject({ name: "remember" });
  expect((await doppel.call("GET", "/v1/devices/phoenix/shadow")).version).toBe(version);
}, 120_000);
