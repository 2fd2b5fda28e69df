/**
 * `node deploy/native/outages.ts`: takes away one part of a native system after the other, under a small load, and prints
 * what devices, apps and health endpoints saw. docs/operations.md has its table.
 */
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { oneOf, text, whole } from "../../option-values.ts";
import { asksForHelp, type ConfigOf, option, optionLines, readOptions } from "../../options.ts";
import { type Device, startDevice } from "./outage-fleet.ts";
import { type Outage, outages } from "./outage-kinds.ts";
import { type AppSaw, type ReadySaw, watchApps, watchReady } from "./outage-watch.ts";
import { startNative } from "./system.ts";

const table = {
  only: option("OUTAGES_ONLY", "all", text, `by commas, or all: ${outages.map(({ name }) => name).join(", ")}`),
  seconds: option("OUTAGES_SECONDS", "15", whole(1, 600), "how long a part is away"),
  devices: option("OUTAGES_DEVICES", "12", whole(1, 1_000), "devices, of which each sends two messages a second"),
  logs: option("OUTAGES_LOGS", "drop", oneOf("drop", "keep"), "keep: the folder with the processes' logs stays"),
};

const steadyMs = 6_000;
const wellLimitMs = 90_000;

if (asksForHelp(process.argv.slice(2))) {
  process.stdout.write(["node deploy/native/outages.ts [options]", "", ...optionLines(table), ""].join("\n"));
  process.exit(0);
}
const { values, problems } = readOptions(table, process.env, process.argv.slice(2));
const options = values as ConfigOf<typeof table>;
const asked = options.only?.split(",") ?? [];
const unknown = asked.filter((name) => name !== "all" && !outages.some((each) => each.name === name));
if (unknown.length > 0) problems.push(`--only names ${unknown.join(", ")}, which is no outage: see --help.`);
if (problems.length > 0) {
  process.stderr.write(`${problems.join("\n")}\n`);
  process.exit(2);
}

const say = (line: string) => process.stderr.write(`${line}\n`);
const folder = mkdtempSync(join(tmpdir(), "outages-"));
const postgres = join(folder, "postgres");
const system = await startNative({ folder, ports: "free", say });
try {
  const { model } = cpus()[0] ?? { model: "?" };
  print(`${model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`);
  print("");
  print(
    "| away | how | PUBACK after at most | shadow answer after at most | apps: not 2xx; longest | `/readyz` 503 or silent | told offline | well again after | lost |",
  );
  print("|---|---|---|---|---|---|---|---|---|");
  for (const outage of outages) if (asked.includes("all") || asked.includes(outage.name)) print(await tryOut(outage));
} finally {
  await system.stop();
  if (options.logs === "keep") say(`Logs: ${folder}/logs`);
  // Where root starts it, PostgreSQL's folder is elsewhere and this one a link.
  if (existsSync(postgres)) rmSync(realpathSync(postgres), { recursive: true, force: true });
  if (options.logs === "drop") rmSync(folder, { recursive: true, force: true });
}
process.exit(0);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One outage, with devices of its own; the row of the table. */
async function tryOut(outage: Outage): Promise<string> {
  const names = Array.from({ length: options.devices }, (_, index) => `${outage.name}-${index + 1}`);
  const devices = await Promise.all(names.map((name) => startDevice(name, system.mqttUrl)));
  const first = devices[0]!.id;
  await pause(steadyMs);
  const apps = watchApps(() => system.httpUrl, first);
  const ready = watchReady(system);
  await pause(2_000);
  const beganMs = Date.now();
  say(`${outage.name}: ${outage.how} …`);
  await outage.begin(system);
  await pause(options.seconds * 1_000);
  const backMs = performance.now();
  await outage.end(system);
  const wellMs = await wellAgain(backMs, devices, apps.seen, ready.seen);
  await pause(2_000);
  apps.stop();
  ready.stop();
  const unanswered = devices.reduce((sum, { answers }) => sum + answers.open(performance.now() - 5_000), 0);
  const endedMs = Date.now();
  await Promise.all(devices.map((device) => device.stop()));
  const lost = await missing(devices);
  const offline = await offlineBetween(beganMs, endedMs, devices).catch(() => "?");
  say(`${outage.name}: well again after ${wellMs} ms`);
  const cells = [
    outage.title,
    outage.how,
    seconds(Math.max(...devices.map(({ acknowledgements }) => acknowledgements.longestMs))),
    `${seconds(Math.max(...devices.map(({ answers }) => answers.longestMs)))}${unanswered > 0 ? `, ${unanswered} without` : ""}`,
    appsCell(apps.seen),
    readyCell(ready.seen),
    String(offline),
    wellMs === null ? `not within ${wellLimitMs / 1_000} s` : seconds(wellMs),
    lost,
  ];
  return `| ${cells.join(" | ")} |`;
}

/** How long from the return until every device was answered, every request went well and every process was ready. */
async function wellAgain(
  backMs: number,
  devices: readonly Device[],
  apps: readonly AppSaw[],
  ready: ReadySaw,
): Promise<number | null> {
  for (let told = ""; ; await pause(100)) {
    const waiting = [
      ...devices.flatMap(({ id, answers }) => (answers.newestBegunMs > backMs ? [] : [id])),
      ...apps.flatMap(({ what, goodMs }) => (goodMs > backMs ? [] : [what])),
      ...(ready.allReady ? [] : ["readiness"]),
    ].join(", ");
    const takenMs = performance.now() - backMs;
    if (waiting === "") return takenMs;
    if (takenMs > wellLimitMs) return null;
    if (waiting !== told && takenMs > 3_000) say(`  after ${seconds(takenMs)} not well yet: ${waiting}`);
    told = waiting;
  }
}

/** How many of the devices' presence events of that time say "offline". */
async function offlineBetween(fromMs: number, toMs: number, devices: readonly Device[]): Promise<number> {
  const ours = new Set(devices.map(({ id }) => id));
  const { items } = await get<{ items: { device: string; status?: string; at: string }[] }>(
    "/v1/events?kinds=presence&limit=500",
  );
  const told = items.filter(({ device, status }) => ours.has(device) && status === "offline");
  return told.filter(({ at }) => Date.parse(at) >= fromMs && Date.parse(at) <= toMs).length;
}

/** What was acknowledged and is not in the history when the sinks have nothing left to do; "0", or how much of how much. */
async function missing(devices: readonly Device[]): Promise<string> {
  const total = devices.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0);
  let left = total;
  for (const lastMs = performance.now() + 30_000; left > 0 && performance.now() < lastMs; await pause(500)) {
    const kept = await Promise.all(devices.map(({ id }) => historyOf(id).catch(() => new Set<number>())));
    left = devices.reduce(
      (sum, device, index) => sum + [...device.acknowledged].filter((n) => !kept[index]!.has(n)).length,
      0,
    );
  }
  return left === 0 ? "0" : `${left} of ${total}`;
}

async function historyOf(device: string): Promise<Set<number>> {
  const { points } = await get<{ points: { value: number }[] }>(
    `/v1/devices/${device}/telemetry?metric=n&maxPoints=10000`,
  );
  return new Set(points.map(({ value }) => value));
}

async function get<Body>(path: string): Promise<Body> {
  const response = await fetch(`${system.httpUrl}${path}`, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`GET ${path} was answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Body;
}

function appsCell(apps: readonly AppSaw[]): string {
  const bad = apps.flatMap(({ what, answers }) => {
    const counts = [...answers].filter(([status]) => !status.startsWith("2"));
    return counts.map(([status, count]) => `${what} ${status} × ${count}`);
  });
  return `${bad.length === 0 ? "none" : bad.join(", ")}; ${seconds(Math.max(...apps.map(({ longestMs }) => longestMs)))}`;
}

function readyCell({ failing }: ReadySaw): string {
  if (failing.size === 0) return "none";
  return [...failing].map(([name, what]) => `${name} (${[...what].join(", ")})`).join(", ");
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
