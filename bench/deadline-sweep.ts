/**
 * What it costs to look after deadlines that nobody watches: reminders and sweepers when there is nothing to do, with and
 * without 100k twins, and the time and CPU to wake what a dead host left behind.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { takeTurn } from "../core/device/decide.ts";
import { defaultPolicy } from "../core/device/policy.ts";
import { newTwin, type Twin } from "../core/device/twin.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { openPostgresTwinState } from "../ports/twin-state/postgres.ts";
import { type CpuSeconds, spent } from "./cpu-groups.ts";
import { type BenchSystem, startBenchSystem, until } from "./native-bench.ts";

export type SweepRow = {
  readonly name: string;
  readonly seconds: number;
  /** CPU seconds a minute; of the row that wakes twins: CPU seconds in all. */
  readonly cpu: CpuSeconds;
};

export type SweepCost = {
  readonly idle: readonly SweepRow[];
  readonly waking: SweepRow & { readonly twins: number };
};

const counts = { gateways: 0, actors: 2, sinks: 0, apis: 0 };
const twins = 100_000;
/** Of the twins of the dead host. */
const overdueTwins = 20_000;
const hourMs = 3_600_000;
const deadHost = "actors-9-dead";

export async function measureSweep(seconds: number, say: (line: string) => void): Promise<SweepCost> {
  const idle: SweepRow[] = [];
  const resting = await startBenchSystem(counts, { DOPPEL_SWEEP_SECONDS: "3600" }, say);
  try {
    idle.push(await rest(resting, "no sweeps (one each hour), no twins", seconds, say));
  } finally {
    await resting.stop();
  }
  const system = await startBenchSystem(counts, {}, say);
  try {
    idle.push(await rest(system, "8 shards each 2 s, no twins", seconds, say));
    const client = new pg.Client({ connectionString: system.native.places.databaseUrl, application_name: "bench" });
    await client.connect();
    const living = await client.query<{ id: string }>(
      "select id from members where not has_left and id like 'actors-%'",
    );
    const name = twins.toLocaleString("en");
    say(`sweep: storing ${name} twins …`);
    const nowMs = Date.now();
    await store(system, living.rows[0]!.id, "l", nowMs, () => nowMs + 24 * hourMs);
    await settled(client);
    idle.push(await rest(system, `8 shards each 2 s, ${name} twins of a living host`, seconds, say));

    say(`sweep: ${name} twins of a dead host, ${overdueTwins.toLocaleString("en")} overdue …`);
    await store(system, living.rows[0]!.id, "d", nowMs - hourMs, (index) =>
      index < overdueTwins ? nowMs - hourMs + defaultPolicy.silenceMs : nowMs + 24 * hourMs,
    );
    await settled(client);
    await client.query("update twin_states set owner = $1 where device like 'd%'", [deadHost]);
    const before = await system.cpu.read();
    const startedAt = performance.now();
    const left = "select count(*)::int as left from twin_states where owner = $1 and coalesce(parked_ms, due_ms) <= $2";
    const none = async () => (await client.query(left, [deadHost, nowMs])).rows[0].left === 0;
    await until("all that is overdue is woken", none, { withinMs: 600_000, everyMs: 250 });
    const wakingSeconds = (performance.now() - startedAt) / 1_000;
    await sleep(3_000);
    const cpu = spent(before, await system.cpu.read());
    await settled(client);
    idle.push(await rest(system, "the same, with what is left of the dead host", seconds, say));
    await client.end();
    return { idle, waking: { name: "waking", seconds: wakingSeconds, cpu, twins: overdueTwins } };
  } finally {
    await system.stop();
  }
}

/** What PostgreSQL does behind an insert is not the sweepers'. */
async function settled(client: pg.Client): Promise<void> {
  await client.query("vacuum analyze twin_states");
  await client.query("checkpoint");
  await sleep(3_000);
}

async function rest(
  { cpu }: BenchSystem,
  name: string,
  seconds: number,
  say: (line: string) => void,
): Promise<SweepRow> {
  say(`sweep: ${name} …`);
  await sleep(3_000);
  const from = await cpu.read();
  const startedAt = performance.now();
  await sleep(seconds * 1_000);
  const took = (performance.now() - startedAt) / 1_000;
  const used = Object.entries(spent(from, await cpu.read()));
  return {
    name,
    seconds: took,
    cpu: Object.fromEntries(used.map(([group, value]) => [group, (value / took) * 60])) as CpuSeconds,
  };
}

/** As `host` would have stored them when each had sent one message. */
async function store(
  { native }: BenchSystem,
  host: string,
  prefix: string,
  seenAtMs: number,
  deadlineOf: (index: number) => number,
): Promise<void> {
  const pool = openPool(native.places.databaseUrl, { max: 1, name: "bench" });
  const state = await openPostgresTwinState(pool, { host });
  for (let from = 0; from < twins; from += 1_000) {
    const writes = Array.from({ length: 1_000 }, (_, place) => {
      const twin = heard(`${prefix}${from + place}`, seenAtMs);
      return { twin, revision: 0, receipts: [], deadlineMs: deadlineOf(from + place), records: [] };
    });
    await state.commit(writes);
  }
  await pool.end();
}

function heard(device: string, atMs: number): Twin {
  const context = { nowMs: atMs, policyOf: () => defaultPolicy, node: null, openRegistry: true };
  const payload = Buffer.from('{"seq":1,"boot":"b","readings":{"temperature":21.5}}');
  const topic = `devices/${device}/telemetry`;
  return takeTurn(newTwin(device), { kind: "telemetry", topic, payload, session: null }, context).twin;
}
