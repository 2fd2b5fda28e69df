/** `node actors/start.ts`: hosts device twins, with a Dapr sidecar of its own. `--help` tells of the options. */
import { startRole } from "../role-process.ts";
import { runActors } from "./run.ts";

await startRole("actors", runActors);
