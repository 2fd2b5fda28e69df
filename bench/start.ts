/**
 * `npm run bench`: what the embedded system costs, beside a reference measured in the same run.
 * `--json` for programs, `--seconds N` per scenario (20), `--only ingest|memory|restart`. Linux; loopback only.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureIngest } from "./ingest.ts";
import { machine, machineLine } from "./machine.ts";
import type { MemoryResult } from "./memory.ts";
import { load, startDoppel } from "./system.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    seconds: { type: "string", default: "20" },
    only: { type: "string" },
  },
});
const seconds = Number(values.seconds);
const wanted = (part: string) => values.only === undefined || values.only === part;
const say = (line: string) => process.stderr.write(`${line}\n`);
const folder = mkdtempSync(join(tmpdir(), "doppel-bench-"));
// Started by root, PostgreSQL runs as another user, who has to reach its folder.
chmodSync(folder, 0o711);

try {
  const ingest = wanted("ingest") ? await ingestPart() : [];
  const memory = wanted("memory") ? [100_000, 1_000_000].map(memoryPart) : [];
  const restart = wanted("restart") ? await restartPart() : null;
  if (values.json) process.stdout.write(`${JSON.stringify({ machine, ingest, memory, restart }, null, 2)}\n`);
  else print({ ingest, memory, restart });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function ingestPart() {
  const doppel = await startDoppel(join(folder, "ingest"));
  try {
    return await measureIngest(doppel, seconds, say);
  } finally {
    await doppel.stop("SIGTERM");
  }
}

function memoryPart(twins: number): MemoryResult {
  say(`memory: ${twins} twins …`);
  const script = join(import.meta.dirname, "memory.ts");
  const args = ["--expose-gc", "--max-old-space-size=8192", script, String(twins)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as MemoryResult;
}

/** Kills the process in the middle of a load, and times the start that replays the log's tail. */
async function restartPart() {
  say("restart: kill -9 under load …");
  const dataDir = join(folder, "restart");
  const first = await startDoppel(dataDir);
  const sending = load({
    host: "127.0.0.1",
    port: first.port,
    connections: 500,
    prefix: "restart-",
    rate: 15_000,
    inFlight: 20,
    seconds: 10,
    warmUpSeconds: 1,
  }).catch(() => null);
  await new Promise((resolve) => setTimeout(resolve, 9_000));
  await first.stop("SIGKILL");
  // The watcher stops PostgreSQL when its holder is gone; a start in the meantime waits for it.
  const second = await startDoppel(dataDir);
  await sending;
  await second.stop("SIGTERM");
  const third = await startDoppel(dataDir);
  await third.stop("SIGTERM");
  return { afterKillSeconds: second.startSeconds, replayed: second.replayed, afterCleanEndSeconds: third.startSeconds };
}

function print({
  ingest,
  memory,
  restart,
}: {
  ingest: Awaited<ReturnType<typeof ingestPart>>;
  memory: MemoryResult[];
  restart: Awaited<ReturnType<typeof restartPart>> | null;
}): void {
  const out = (line = "") => process.stdout.write(`${line}\n`);
  out(machineLine);
  if (ingest.length > 0) {
    out();
    out(
      "| QoS 1, durable before the PUBACK | msg/s | PUBACK p50 / p99 ms | CPU s per 100k: ingest | + sinks | reference | ingest ÷ reference |",
    );
    out("|---|---|---|---|---|---|---|");
    for (const row of ingest) {
      const ratio = (row.ingestCpu / row.referenceCpu).toFixed(2);
      const cells = [
        row.name,
        Math.round(row.perSecond).toLocaleString("en"),
        `${row.p50Ms.toFixed(1)} / ${row.p99Ms.toFixed(1)}`,
        row.ingestCpu.toFixed(2),
        row.sinksCpu.toFixed(2),
        `${row.referenceCpu.toFixed(2)} at ${Math.round(row.referencePerSecond).toLocaleString("en")}/s`,
        ratio,
      ];
      out(`| ${cells.join(" | ")} |`);
    }
  }
  if (memory.length > 0) {
    out();
    out("| twins | bytes each | presence deadlines, 33k renewals/s: CPU ms per s |");
    out("|---|---|---|");
    for (const { twins, bytesPerTwin, renewalCpuMsPerSecond } of memory)
      out(`| ${twins.toLocaleString("en")} | ${Math.round(bytesPerTwin)} | ${renewalCpuMsPerSecond.toFixed(1)} |`);
  }
  if (restart !== null) {
    out();
    out(
      `Restart after kill -9 under load: ${restart.afterKillSeconds.toFixed(1)} s with ${restart.replayed} records replayed; after a clean end: ${restart.afterCleanEndSeconds.toFixed(1)} s.`,
    );
  }
}
