/** `npm run faults -- --runs N --seed S`: longer runs of the fault test, with what they found and how long starts took. */
import { parseArgs } from "node:util";
import { type FaultReport, runFaults } from "./fault-run.ts";

const options = {
  runs: { default: 3, most: 10_000, meaning: "each with a database of its own" },
  seed: { default: 1, most: 4_294_967_295, meaning: "of the first run; the next ones count on" },
  seconds: { default: 18, most: 86_400, meaning: "of load in a run, the restarts not counted" },
  faults: { default: 5, most: 10_000, meaning: "kills and stops in a run; about every third start is killed too" },
  devices: { default: 40, most: 10_000, meaning: "how many devices" },
  rate: { default: 10, most: 1_000, meaning: "messages per second and device" },
};
type Name = keyof typeof options;
const names = Object.keys(options) as Name[];

const { runs, seed, ...common } = readOptions(process.argv.slice(2));
// Ended before its time, it still ends what it started (see system.ts).
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));

const reports: FaultReport[] = [];
for (let run = 0; run < runs; run += 1) {
  const startedAt = performance.now();
  const say = (line: string) =>
    process.stdout.write(`  ${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${line}\n`);
  process.stdout.write(`Run ${run + 1} of ${runs}, seed ${seed + run}\n`);
  const report = await runFaults({ ...common, seed: seed + run, say });
  reports.push(report);
  say(summary([report]));
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
    `${sum(({ kills }) => kills.length)} kills`,
    `${sum(({ messages }) => messages.acknowledged)} acknowledged (${sum(({ telemetry }) => telemetry.acknowledged)} telemetry)`,
    `${sum(({ messages }) => messages.resends)} resends`,
    `${sum(({ messages }) => messages.inDoubt)} in doubt`,
    `${lost} lost`,
    `${found.length} violations`,
    `restart ${median.toFixed(1)} s median, ${(restarts.at(-1) ?? 0).toFixed(1)} s at most`,
  ].join(", ");
}

function readOptions(argv: readonly string[]): Record<Name, number> {
  const types = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const known = { ...types, help: { type: "boolean" as const } };
  try {
    const values: { readonly [name: string]: string | boolean | undefined } = parseArgs({
      args: [...argv],
      options: known,
    }).values;
    if (values.help === true) {
      const lines = names.map((name) => `  --${name.padEnd(8)} ${options[name].meaning} (${options[name].default})`);
      process.stdout.write(`npm run faults -- [options]\n\n${lines.join("\n")}\n`);
      process.exit(0);
    }
    const given = names.map((name) => [name, numberOf(name, values[name])] as const);
    return Object.fromEntries(given) as Record<Name, number>;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nSee --help.\n`);
    process.exit(2);
  }
}

function numberOf(name: Name, text: string | boolean | undefined): number {
  const { default: standard, most } = options[name];
  const value = text === undefined ? standard : Number(text);
  if (value >= 1 && value <= most) return value;
  throw new Error(`--${name} is "${text}" but needs a number from 1 to ${most}.`);
}
