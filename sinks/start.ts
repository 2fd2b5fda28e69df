/** `node sinks/start.ts`: brings the records of the log into history and lists. `--help` tells of the options. */
import { startRole } from "../role-process.ts";
import { runSinks } from "./run.ts";

await startRole("sinks", runSinks);
