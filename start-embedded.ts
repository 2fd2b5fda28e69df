/**
 * The embedded system on this machine, behind `start.ts`. Reads the environment and the command line, prints where things
 * are, ends on Ctrl-C. All that it starts is in `run.ts`.
 */
import { readConfig } from "./config.ts";
import { openLogger } from "./ports/logger/pino.ts";
import { run } from "./run.ts";
import { readSecretFile } from "./secret-files.ts";
import { startDemo } from "./simulator/demo.ts";
import { startupProblem, welcome } from "./welcome.ts";

// Whoever read our output may go away (`npm start | head`); that is no reason to end without a checkpoint.
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

const read = readConfig(process.env, process.argv.slice(2), readSecretFile);
if (read.kind === "help") {
  process.stdout.write(read.text);
  process.exit(0);
}
if (read.kind === "problems") {
  process.stderr.write(`Doppel cannot start:\n${read.problems.map((problem) => `  - ${problem}\n`).join("")}`);
  process.exit(2);
}

const { config } = read;
const startedAt = performance.now();
const say = (line: string) => process.stdout.write(`${line}\n`);
const running = await run({ config, logger: openLogger(config), say }).catch((error) => {
  process.stderr.write(`${startupProblem(error, config)}\n`);
  process.exit(1);
});
say(welcome(config, running, (performance.now() - startedAt) / 1000));
const demo = config.demo ? await startDemo(config, running) : null;

let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    say("Stopping: committing what is open …");
    stop().then(
      () => {
        say("Stopped. Everything acknowledged is on disk.");
        process.exit(0);
      },
      (error) => {
        process.stderr.write(`${(error as Error).message}\n`);
        process.exit(1);
      },
    );
  });
}

async function stop(): Promise<void> {
  await demo?.stop();
  await running.close();
}

running.closed.catch((error) => {
  process.stderr.write(`${(error as Error).message}\n`);
  // Without a checkpoint or a goodbye: memory may be ahead of the truth, and the next start reads the log.
  process.exit(1);
});
