/** `npm run down:native`: ends what `npm run up:native` started, also when its supervisor has been killed. */
import { resolve } from "node:path";
import { isRunning, until } from "../../ports/postgres/processes.ts";
import { endLeftovers, readState, removeState, type StateFile } from "./state-file.ts";
import { readUpOptions } from "./up-options.ts";

const supervisorLimitMs = 60_000;

const argv = process.argv.slice(2);
const read = readUpOptions(process.env, argv);
if (read.kind !== "options" || argv.some((argument) => !/^--folder/.test(argument) && argument.startsWith("--"))) {
  process.stdout.write(
    "npm run down:native [-- --folder FOLDER]\n\nStops the distributed Doppel of npm run up:native.\n",
  );
  process.exit(read.kind === "help" ? 0 : 2);
}
const folder = resolve(read.options.folder);
process.stdout.write(await down(folder));

/** Says what it did. */
async function down(from: string): Promise<string> {
  const state = readState(from);
  if (state === null) return "Nothing is running: there is no state.json, or it was stopped already.\n";
  const asked = isRunning(state.supervisor);
  if (asked) {
    process.stdout.write(`Stopping ${state.processes.length} processes, in order …\n`);
    process.kill(state.supervisor.pid, "SIGTERM");
    if (await until(() => !isRunning(state.supervisor), supervisorLimitMs)) {
      removeState(from);
      return "Stopped. Everything acknowledged is on disk; the next start goes on with it.\n";
    }
    process.stdout.write(`The supervisor (process ${state.supervisor.pid}) does not end; ending all by itself …\n`);
    process.kill(state.supervisor.pid, "SIGKILL");
  }
  return leftovers(from, state, asked);
}

async function leftovers(from: string, state: StateFile, asked: boolean): Promise<string> {
  const ended = await endLeftovers(readState(from) ?? state);
  removeState(from);
  const why = asked ? "" : "The supervisor was gone already. ";
  if (ended.length === 0) return `${why}None of its processes was left.\n`;
  return `${why}Ended what was left:\n${ended.map(({ name, how }) => `  ${name} ${how}\n`).join("")}`;
}
