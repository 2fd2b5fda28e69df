/** `npm run simulate`: a fleet of simulated devices, or a recorded series as one device, against a running Doppel. */
import { readFileSync } from "node:fs";
import { basename, extname } from "node:path";
import { readOptions, type SimulatorOptions } from "./options.ts";
import { play } from "./play.ts";
import { readRecordedSeries } from "./recorded-series.ts";
import { simulate } from "./simulate.ts";
import { summary } from "./tally.ts";

const read = readOptions(process.argv.slice(2));
if (read.kind === "help") {
  process.stdout.write(read.text);
  process.exit(0);
}
if (read.kind === "problems") {
  process.stderr.write(`${read.problems.join("\n")}\n`);
  process.exit(2);
}

const say = (line: string) => process.stdout.write(`${line}\n`);
let interrupt = () => {};
const interrupted = new Promise<void>((resolve) => {
  interrupt = resolve;
});
let stopped = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    stopped = true;
    interrupt();
  });
}

try {
  await (read.options.csv === null ? runFleet(read.options) : playFile(read.options, read.options.csv));
  process.exit(0);
} catch (error) {
  const { message, code } = error as { message: string; code?: string };
  process.stderr.write(`The simulation failed: ${message || code}. Is Doppel running (npm start)?\n`);
  process.exit(1);
}

async function runFleet(options: SimulatorOptions): Promise<void> {
  const { duplicates, bad, losses, seconds } = options;
  const startedAt = performance.now();
  const simulation = await simulate({ ...options, misbehaviour: { duplicates, bad, losses }, say, progressMs: 2_000 });
  const timeUp =
    seconds === 0
      ? interrupted
      : Promise.race([interrupted, new Promise((resolve) => setTimeout(resolve, seconds * 1_000))]);
  await timeUp;
  await simulation.stop();
  say(summary(simulation.tally, (performance.now() - startedAt) / 1_000));
}

async function playFile(options: SimulatorOptions, file: string): Promise<void> {
  const series = readRecordedSeries(readFileSync(file, "utf8"));
  const device = options.device ?? basename(file, extname(file)).replace(/[^a-zA-Z0-9:_-]/g, "-");
  const { mqttUrl, token, metric, speed } = options;
  say(`Playing ${series.readings.length} rows as ${device}, metric ${metric}, at ${speed} times their speed.`);
  const acknowledged = await play(series, { mqttUrl, device, token, metric, speed, say, stopped: () => stopped });
  const last = series.readings.at(-1)?.tsMs ?? 0;
  say(
    `${acknowledged} of ${series.readings.length} rows acknowledged. Ask for them:\n` +
      `  ${options.apiUrl}/v1/devices/${device}/telemetry?metric=${metric}&from=${new Date(series.readings[0]?.tsMs ?? 0).toISOString()}&to=${new Date(last + 1).toISOString()}`,
  );
}
