/** `npm run faults -- --runs N --seed S [--seconds …] [--faults …] [--devices …] [--rate …]`: longer runs of the fault test. */
import { parseArgs } from "node:util";
import { type FaultReport, runFaults } from "./fault-run.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
    seconds: { type: "string", default: "15" },
    faults: { type: "string", default: "4" },
    devices: { type: "string", default: "40" },
    rate: { type: "string", default: "10" },
  },
});
const number = (name: keyof typeof values, most: number): number => {
  const value = Number(values[name]);
  if (value > 0 && value <= most) return value;
  process.stderr.write(`--${name} is "${values[name]}" but needs a number above 0, at most ${most}.\n`);
  process.exit(2);
};
const runs = number("runs", 10_000);
const seed = number("seed", 4_294_967_295);
const common = {
  seconds: number("seconds", 86_400),
  faults: number("faults", 10_000),
  devices: number("devices", 10_000),
  rate: number("rate", 1_000),
};

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
