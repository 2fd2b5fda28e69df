/** `npm run native`: steers the system that `npm run up:native` runs. */
import { resolve } from "node:path";
import { isRunning } from "../../ports/postgres/processes.ts";
import { OrderFailed, order } from "./control.ts";
import { defaultFolder, readState } from "./state-file.ts";
import { readOrder } from "./steering.ts";

const read = readOrder(process.argv.slice(2));
if ("help" in read) {
  process.stdout.write(read.help);
  process.exit(0);
}
if ("problem" in read) fail(read.problem, 2);

const state = readState(resolve(process.env.DOPPEL_NATIVE_FOLDER || defaultFolder));
if (state === null || !isRunning(state.supervisor)) fail("It does not run. Start it: npm run up:native", 1);
if (state.control === null) fail("It is still starting.", 1);
try {
  process.stdout.write(await order(state.control, read.order));
} catch (error) {
  if (!(error instanceof OrderFailed)) throw error;
  fail(error.message, 1);
}

function fail(message: string, code: number): never {
  process.stderr.write(`${message.trimEnd()}\n`);
  process.exit(code);
}
