/** `node gateways/start.ts`: takes what devices publish from the broker to their twins. `--help` tells of the options. */
import { startRole } from "../role-process.ts";
import { runGateway } from "./run.ts";

await startRole("gateways", runGateway);
