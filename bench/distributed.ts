/**
 * `npm run bench:distributed`: what the distributed system costs, native, on this machine alone. `--json` for programs,
 * `--only calls|pipeline|kills|sweep`, `--seconds N` for each measurement (20), `--pace N` times the pipeline's rates (1).
 * Linux; loopback only. Needs what `npm run up:native` needs, and nothing else to run on the machine.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { measureSweep } from "./deadline-sweep.ts";
import { callTables, outageTable, pipelineTable, sweepTables } from "./distributed-tables.ts";
import { machine, machineLine } from "./machine.ts";
import { measureOutages } from "./outages.ts";
import { measurePipeline } from "./pipeline.ts";
import { measureTurnCost } from "./turn-cost.ts";

const parts = ["calls", "pipeline", "kills", "sweep"] as const;
const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    only: { type: "string" },
    seconds: { type: "string", default: "20" },
    pace: { type: "string", default: "1" },
    /** Of `kills`: only kinds whose name holds this. */
    kind: { type: "string", default: "" },
  },
});
const { only, kind, json } = values;
const seconds = numberOf("--seconds", values.seconds);
const pace = numberOf("--pace", values.pace);
if (only !== undefined && !parts.some((part) => part === only))
  exit(`--only is "${only}" but there are ${parts.join(", ")}.`);
const wanted = (part: (typeof parts)[number]) => only === undefined || only === part;
const say = (line: string) => process.stderr.write(`${line}\n`);
// Ended before its time, it still ends what it started (deploy/native/process.ts).
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));

const loadBefore = loadavg()[0]!;
if (loadBefore > 0.5) say(`The machine is busy (load ${loadBefore.toFixed(1)}): the figures will be wrong.`);

const calls = wanted("calls") ? await measureTurnCost(seconds, say) : null;
const pipeline = wanted("pipeline") ? await measurePipeline(seconds, pace, say) : null;
const kills = wanted("kills") ? await measureOutages(say, kind) : null;
const sweep = wanted("sweep") ? await measureSweep(seconds, say) : null;

if (json)
  process.stdout.write(
    `${JSON.stringify({ machine: { ...machine, loadBefore }, calls, pipeline, kills, sweep }, null, 2)}\n`,
  );
else {
  const tables = [
    machineLine,
    ...(calls === null ? [] : callTables(calls)),
    ...(pipeline === null ? [] : pipelineTable(pipeline)),
    ...(kills === null ? [] : outageTable(kills)),
    ...(sweep === null ? [] : sweepTables(sweep)),
  ];
  process.stdout.write(`${tables.join("\n\n")}\n`);
}
process.exit(0);

function numberOf(option: string, text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  return exit(`${option} is "${text}" but needs a number above 0.`);
}

function exit(problem: string): never {
  process.stderr.write(`${problem}\n`);
  process.exit(2);
}
