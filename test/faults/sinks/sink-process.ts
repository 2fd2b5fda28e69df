/**
 * A process that runs a sink over a log, and is killed at DOPPEL_FAULT_POINT, or after its last step.
 * Its scene comes as JSON in DOPPEL_FAULT_SCENE. Opening is no fault point: tables are made in transactions of their own.
 */
import { openPool } from "../../../ports/postgres/pool.ts";
import { stepsUntil, watchPool } from "./fault-point.ts";
import { openSinkRun, type SinkScene } from "./sink-run.ts";

const { url, ...scene } = JSON.parse(process.env.DOPPEL_FAULT_SCENE!) as SinkScene & { readonly url: string };
const point = process.env.DOPPEL_FAULT_POINT ?? null;
let armed = false;
const { step } = stepsUntil(point, () => {
  process.kill(process.pid, "SIGKILL");
  return new Promise<never>(() => {});
});
const whenArmed = (name: string) => (armed ? step(name) : undefined);
const pool = openPool(url, { max: 4 });
watchPool(pool, whenArmed);
const run = await openSinkRun(pool, scene, whenArmed);
armed = true;
await run.toTheEnd();
process.kill(process.pid, "SIGKILL"); // after the last step
