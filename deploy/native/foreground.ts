/**
 * This process as the one that runs the native system until it is told to stop: it keeps `state.json`, takes orders, and
 * ends with everything on SIGINT or SIGTERM.
 */
import { identityOf } from "../../ports/postgres/processes.ts";
import { openControl } from "./control.ts";
import { processesOf, removeState, type StateFile, writeState } from "./state-file.ts";
import { type NativeOptions, startNative } from "./system.ts";
import { welcome } from "./welcome.ts";

export type ForegroundOptions = NativeOptions & {
  readonly say: (line: string) => void;
  /** The welcome says how to stop it. */
  readonly detached: boolean;
};

export async function runForeground(options: ForegroundOptions): Promise<never> {
  const { folder, say, detached } = options;
  const startedAt = performance.now();
  const supervisor = identityOf(process.pid);
  let state: StateFile = { supervisor, control: null, urls: null, processes: [] };
  const tell = (news: Partial<StateFile>) => {
    state = { ...state, ...news };
    writeState(folder, state);
  };
  tell({});
  const stopped = Promise.withResolvers<void>();
  let starting = true;
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      if (!starting) return stopped.resolve();
      say("Stopping, before everything was up …"); // the watchers of the processes end them when this one is gone
      removeState(folder);
      process.exit(130);
    });
  say(
    "Starting the distributed Doppel. The first time Dapr is built (about 5 minutes) and Kafka fetched; later: 30 s.",
  );
  const system = await startNative({
    ...options,
    onChange: (status) => tell({ processes: processesOf(status) }),
  }).catch((error: Error) => {
    removeState(folder);
    process.stderr.write(`The distributed Doppel cannot start. ${error.message}\n`);
    process.exit(1);
  });
  starting = false;
  const { port, token, close } = await openControl(system);
  say(welcome(system, folder, (performance.now() - startedAt) / 1000, detached));
  tell({ control: { port, token }, urls: { http: system.httpUrl, mqtt: system.mqttUrl, ws: system.wsUrl } });
  await stopped.promise;
  say("Stopping: gateways first, services last …");
  close();
  await system.stop();
  removeState(folder);
  say("Stopped. Everything acknowledged is on disk; the next start goes on with it.");
  process.exit(0);
}
