/**
 * `npm run up:native`: the distributed system on this machine, without containers. In the foreground until Ctrl-C, or
 * with --detach until `npm run down:native`. What it starts is in system.ts.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { isRunning } from "../../ports/postgres/processes.ts";
import { runForeground } from "./foreground.ts";
import { endLeftovers, readState, removeState } from "./state-file.ts";
import { readUpOptions } from "./up-options.ts";

process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

const say = (line: string) => process.stdout.write(`${line}\n`);
const read = readUpOptions(process.env, process.argv.slice(2));
if (read.kind !== "options") {
  if (read.kind === "help") process.stdout.write(read.text);
  else process.stderr.write(`${read.problems.join("\n")}\n`);
  process.exit(read.kind === "help" ? 0 : 2);
}
const { options } = read;
const folder = resolve(options.folder);
mkdirSync(folder, { recursive: true });
mkdirSync(join(folder, "logs"), { recursive: true, mode: 0o700 });

const before = readState(folder);
if (before !== null && isRunning(before.supervisor)) {
  const where = before.urls === null ? "It is still starting" : `Its dashboard: ${before.urls.http}/`;
  process.stderr.write(
    `The distributed Doppel runs already (process ${before.supervisor.pid}). ${where}. To stop it: npm run down:native\n`,
  );
  process.exit(1);
}
if (before !== null) {
  const ended = await endLeftovers(before);
  if (ended.length > 0) say(`Ended what an earlier start had left: ${ended.map(({ name }) => name).join(", ")}.`);
  removeState(folder);
}
await (options.detach ? detach() : runForeground({ ...options, folder, say }));

/** Another process of this program goes on; its words are passed on until everything is up. */
async function detach(): Promise<void> {
  const log = join(folder, "logs", "supervisor.log");
  let from = existsSync(log) ? readFileSync(log).length : 0;
  const output = openSync(log, "a", 0o600);
  const args = process.argv.slice(2).filter((argument) => argument !== "--detach");
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, ...args, "--detached"], {
    detached: true,
    stdio: ["ignore", output, output],
    env: process.env,
  });
  closeSync(output);
  child.unref();
  let code: number | null | undefined;
  child.once("exit", (status) => {
    code = status ?? 1;
  });
  const passOn = () => {
    const words = readFileSync(log).subarray(from);
    from += words.length;
    process.stdout.write(words);
  };
  while (code === undefined && !readState(folder)?.urls) {
    await new Promise((done) => setTimeout(done, 200));
    passOn();
  }
  passOn();
  process.exit(code ?? 0);
}
