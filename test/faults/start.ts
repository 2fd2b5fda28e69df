/**
 * `npm run faults -- --runs N --seed S`: longer runs of the fault test, with what they found and how long starts took.
 * With `--mode distributed`, on the native system of deploy/native/.
 */
import { parseArgs } from "node:util";
import { type FaultReport, runFaults } from "./fault-run.ts";

const options = {
  runs: { default: 3, distributed: 1, most: 10_000, meaning: "each with a database of its own" },
  seed: { default: 1, distributed: 1, most: 4_294_967_295, meaning: "of the first run; the next ones count on" },
  seconds: { default: 18, distributed: 60, most: 86_400, meaning: "of load in a run, the restarts not counted" },
  faults: { default: 5, distributed: 20, most: 10_000, meaning: "in a run; embedded, some starts are killed too" },
  devices: { default: 40, distributed: 30, most: 10_000, meaning: "how many devices" },
  rate: { default: 10, distributed: 3, most: 1_000, meaning: "messages per second and device" },
  brokers: { default: 1, distributed: 1, most: 3, meaning: "of Kafka in the distributed mode: 1 or 3" },
};
type Name = keyof typeof options;
const names = Object.keys(options) as Name[];
type Mode = "embedded" | "distributed";

const { mode, runs, seed, brokers, ...common } = readOptions(process.argv.slice(2));
// Ended before its time, it still ends what it started (see system.ts).
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));

const reports: FaultReport[] = [];
for (let run = 0; run < runs; run += 1) {
  const startedAt = performance.now();
  const say = (line: string) =>
    process.stdout.write(`  ${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${line}\n`);
  process.stdout.write(`Run ${run + 1} of ${runs}, seed ${seed + run}\n`);
  const report = await runFaults({ mode, brokers: brokers === 3 ? 3 : 1, ...common, seed: seed + run, say });
  reports.push(report);
  say(summary([report]));
  for (const remark of report.remarks) say(remark);
  for (const { kind, device, evidence } of report.violations.slice(0, 50))
    process.stdout.write(`  VIOLATION ${kind} ${device}: ${evidence.slice(0, 2_000)}\n`);
}
const violations = reports.flatMap((report) => report.violations);
process.stdout.write(`\n${runs} runs: ${summary(reports)}\n`);
process.exit(violations.length === 0 ? 0 : 1);

function summary(of: readonly FaultReport[]): string {
  const sum = (value: (report: FaultReport) => number) => of.reduce((total, report) => total + value(report), 0);
  const restarts = of.flatMap(({ restartSeconds }) => restartSeconds).sort((a, b) => a - b);
  const median = restarts[Math.floor(restarts.length / 2)] ?? 0;
  const found = of.flatMap((report) => report.violations);
  const lost = found.filter(({ kind }) => kind.endsWith("-lost")).length;
  return [
    `${sum(({ kills }) => kills.length)} faults`,
    `${sum(({ messages }) => messages.acknowledged)} acknowledged (${sum(({ telemetry }) => telemetry.acknowledged)} telemetry)`,
    `${sum(({ messages }) => messages.resends)} resends`,
    `${sum(({ messages }) => messages.inDoubt)} in doubt`,
    `${lost} lost`,
    `${found.length} violations`,
    `restart ${median.toFixed(1)} s median, ${(restarts.at(-1) ?? 0).toFixed(1)} s at most`,
  ].join(", ");
}

function readOptions(argv: readonly string[]): Record<Name, number> & { readonly mode: Mode } {
  const types = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const known = {
    ...types,
    mode: { type: "string" as const, default: "embedded" },
    help: { type: "boolean" as const },
  };
  try {
    const values: { readonly [name: string]: string | boolean | undefined } = parseArgs({
      args: [...argv],
      options: known,
    }).values;
    if (values.help === true) {
      const lines = names.map((name) => {
        const { meaning, default: embedded, distributed } = options[name];
        return `  --${name.padEnd(8)} ${meaning} (${embedded === distributed ? embedded : `${embedded}; distributed: ${distributed}`})`;
      });
      const modeLine = "  --mode     embedded or distributed (embedded)";
      process.stdout.write(`npm run faults -- [options]\n\n${[modeLine, ...lines].join("\n")}\n`);
      process.exit(0);
    }
    const { mode } = values;
    if (mode !== "embedded" && mode !== "distributed")
      throw new Error(`--mode is "${mode}" but needs to be embedded or distributed.`);
    const given = names.map((name) => [name, numberOf(name, values[name], mode)] as const);
    return { ...(Object.fromEntries(given) as Record<Name, number>), mode };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nSee --help.\n`);
    process.exit(2);
  }
}

function numberOf(name: Name, text: string | boolean | undefined, mode: Mode): number {
  const { most } = options[name];
  const standard = mode === "embedded" ? options[name].default : options[name].distributed;
  const value = text === undefined ? standard : Number(text);
  if (value >= 1 && value <= most) return value;
  throw new Error(`--${name} is "${text}" but needs a number from 1 to ${most}.`);
}
