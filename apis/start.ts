/** `node apis/start.ts`: API, live view and dashboard of the distributed mode. `--help` tells of the options. */
import { startRole } from "../role-process.ts";
import { runApis } from "./run.ts";

await startRole("apis", runApis);
