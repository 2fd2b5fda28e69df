/**
 * An embedded PostgreSQL of our own: made on the first start, reached only through a Unix socket in a private folder.
 * It owns the server process and its folder; what is in the database is for others.
 *
 * K1: PostgreSQL never outlives this process, even one killed with -9 (the watcher shell, see SERVE).
 * K2: a folder is never started twice, and a lock file is removed only when no PostgreSQL process works in the folder.
 * K3: a start that was cut short at any point leaves nothing that hinders the next.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { Writable } from "node:stream";
import pg from "pg";
import { programs } from "./binaries.ts";
import { claim } from "./claim.ts";
import { ClusterInUse, ClusterUnavailable } from "./errors.ts";
import { type ClusterFolder, makeSocketFolder, prepareFolder, removeSocketLink, trimLog } from "./folder.ts";
import { initialise } from "./initialise.ts";
import { isAlive, postgresProcessesIn, signalAll, until } from "./processes.ts";
import { serverArguments } from "./settings.ts";

/** The superuser and the database of the embedded cluster. */
export const DATABASE = "doppel";

export type ClusterOptions = {
  /** Told, in words for a person, what takes a while or is unusual. */
  say?: (line: string) => void;
  /** false: no fsync, for tests. What was committed does not survive a crash of the machine. */
  durable?: boolean;
  /** Removes the folder when PostgreSQL has stopped, also when this process is killed. For tests. */
  temporary?: boolean;
  /** Server settings that go before ours. */
  settings?: Record<string, string>;
};

export type Cluster = {
  /** For `new pg.Pool({ connectionString: url })`, as superuser. */
  url: string;
  /** Process id of the postmaster. */
  pid: number;
  /** Says how PostgreSQL ended, asked to or not. Never rejects. */
  exited: Promise<{ asked: boolean; detail: string }>;
  /** Fast shutdown: open sessions are cut, what was committed is kept. Idempotent. */
  stop(): Promise<void>;
};

const READY_LIMIT_MS = 120_000; // crash recovery replays up to max_wal_size
const STOP_LIMIT_MS = 60_000;

/**
 * Starts PostgreSQL on the folder; makes folder and database when there are none.
 * @throws ClusterInUse when a live process uses the folder
 * @throws ClusterUnavailable when PostgreSQL cannot run here
 */
export async function startCluster(folder: string, options: ClusterOptions = {}): Promise<Cluster> {
  const say = options.say ?? (() => {});
  const place = prepareFolder(folder, say);
  const bin = programs(place.user, say);
  const held = claim(place.root);
  try {
    await clearRemains(place, held.inherited, say);
    await initialise(place, bin, { durable: options.durable ?? true, say });
    trimLog(place);
    const socket = makeSocketFolder(place);
    const server = await launch(place, socket, bin, options, say);
    const exited = server.exited.finally(() => {
      removeSocketLink(place);
      held.release();
    });
    return {
      url: clusterUrl(socket, DATABASE, options.settings?.port),
      pid: server.pid,
      exited,
      stop: () =>
        server
          .stop()
          .then(() => exited)
          .then(() => {}),
    };
  } catch (error) {
    held.release();
    throw error;
  }
}

/** The form that pg, libpq and URL parsers all take; the host of the authority gives way to the one of the query. */
export function clusterUrl(socketFolder: string, database: string, port?: string): string {
  const place = `host=${encodeURIComponent(socketFolder)}${port === undefined ? "" : `&port=${port}`}`;
  return `postgresql://${DATABASE}@localhost/${encodeURIComponent(database)}?${place}`;
}

/**
 * K1. The shell leaves a watcher behind, then becomes PostgreSQL, so that PostgreSQL is our child. The watcher holds
 * one end of a pipe (3) to us: when we end, whatever the reason, it reads the end of file and asks for a fast shutdown.
 * "over" says that PostgreSQL has ended already. It is nobody's child: PostgreSQL treats a child of its own that it
 * does not know and that was killed as a crash. $1: folder to remove at the end, or empty; the rest: the server.
 */
const SERVE = `
remove=$1; shift
( (
  while read -r word <&3; do [ "$word" = over ] && exit; done
  kill -INT $$
  if [ -n "$remove" ]; then
    while kill -0 $$ 2>/dev/null; do sleep 0.1; done
    rm -rf "$remove"
  fi
) & )
exec 3<&-
exec "$@"
`;

type Server = { pid: number; exited: Cluster["exited"]; stop(): Promise<void> };

async function launch(
  place: ClusterFolder,
  socket: string,
  bin: string,
  options: ClusterOptions,
  say: (line: string) => void,
): Promise<Server> {
  const logFrom = existsSync(place.log) ? statSync(place.log).size : 0;
  const log = openSync(place.log, "a", 0o600);
  const server = [
    join(bin, "postgres"),
    ...serverArguments(place.data, socket, options.durable ?? true, options.settings ?? {}),
  ];
  const child = spawn("/bin/sh", ["-c", SERVE, "sh", options.temporary === true ? place.root : "", ...server], {
    cwd: "/",
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C" },
    stdio: ["ignore", log, log, "pipe"], // not as stdin, which Node closes when the child exits, before "over" is said
    detached: true, // its own session: Ctrl-C on the terminal is for us, we then stop it in order
    ...place.user.switch,
  });
  closeSync(log);
  let asked = false;
  const lifeline = child.stdio[3] as Writable;
  const exited = ended(child, lifeline, () => asked).finally(() => {
    if (options.temporary === true) {
      rmSync(place.root, { recursive: true, force: true, maxRetries: 5 });
      rmSync(place.named, { recursive: true, force: true }); // the link to it, where there is one
    }
  });
  // Neither keeps this process alive: when it has nothing left to do, the watcher stops PostgreSQL.
  child.unref();
  (lifeline as Socket).unref();

  const stop = async (): Promise<void> => {
    child.ref();
    asked = true;
    child.kill("SIGINT");
    const last = setTimeout(() => child.kill("SIGQUIT"), STOP_LIMIT_MS);
    await exited.finally(() => clearTimeout(last));
  };

  const recovering = setTimeout(() => say("PostgreSQL is recovering from an unclean end"), 2_000);
  const ready = await until(
    () => child.exitCode !== null || child.signalCode !== null || isReady(place, child.pid),
    READY_LIMIT_MS,
  );
  clearTimeout(recovering);
  if (!isReady(place, child.pid) || child.pid === undefined) {
    const words = readFileSync(place.log, "utf8").slice(logFrom).trim().split("\n").slice(-8).join("\n");
    await stop();
    throw new ClusterUnavailable(
      `PostgreSQL in ${place.root} did not start${ready ? "" : ` within ${READY_LIMIT_MS / 1000} s`}. It said:\n${words || (await exited).detail}`,
    );
  }
  try {
    await ensureDatabase(socket, options.settings?.port);
  } catch (cause) {
    await stop();
    throw new ClusterUnavailable(`PostgreSQL in ${place.root} started, but refuses: ${(cause as Error).message}`, {
      cause,
    });
  }
  return { pid: child.pid, exited, stop };
}

function ended(child: ChildProcess, lifeline: Writable, asked: () => boolean): Cluster["exited"] {
  lifeline.on("error", () => {}); // the watcher may have been killed
  return new Promise((resolve) => {
    const finish = (detail: string) => {
      lifeline.end("over\n");
      resolve({ asked: asked(), detail });
    };
    child.once("error", (error) => finish(error.message));
    child.once("exit", (code, name) => finish(name === null ? `ended with code ${code}` : `was killed by ${name}`));
  });
}

/** postmaster.pid, PostgreSQL 18 src/include/utils/pidfile.h: line 1 is the process, line 8 the state. */
function isReady(place: ClusterFolder, pid: number | undefined): boolean {
  const lines = lockLines(place);
  return lines[0] === String(pid) && lines[7]?.trim() === "ready";
}

function lockLines(place: ClusterFolder): string[] {
  try {
    return readFileSync(join(place.data, "postmaster.pid"), "utf8").split("\n");
  } catch {
    return [];
  }
}

/** K2, K3: waits for what a killed holder left running, stops it when nobody else does, then removes its locks. */
async function clearRemains(place: ClusterFolder, inherited: boolean, say: (line: string) => void): Promise<void> {
  const postmaster = Number(lockLines(place)[0] ?? Number.NaN);
  const postmasterOrNull = Number.isInteger(postmaster) && postmaster > 0 ? postmaster : null;
  const left = () => postgresProcessesIn(place.data, postmasterOrNull);
  const first = left()[0];
  if (first !== undefined) {
    // Those of a postmaster that is gone, our own or not, are about to end.
    if (!inherited && (postmasterOrNull === null || left().includes(postmasterOrNull)))
      throw new ClusterInUse(place.root, postmasterOrNull ?? first, "a PostgreSQL that Doppel did not start");
    say("Waiting for a PostgreSQL that was killed, or whose Doppel was, to end");
    const steps: [limitMs: number, then: (() => void) | null][] = [
      [
        1_500,
        () =>
          signalAll(
            left().filter((pid) => pid === postmasterOrNull),
            "SIGINT",
          ),
      ],
      [15_000, () => signalAll(left(), "SIGQUIT")],
      [5_000, () => signalAll(left(), "SIGKILL")],
      [5_000, null],
    ];
    for (const [limitMs, then] of steps) {
      if (await until(() => left().length === 0, limitMs)) break;
      if (then === null) throw new ClusterInUse(place.root, left()[0] ?? first, "a PostgreSQL that does not end");
      then();
    }
  }
  if (postmasterOrNull !== null && process.platform !== "linux" && isAlive(postmasterOrNull)) return;
  rmSync(join(place.data, "postmaster.pid"), { force: true });
  rmSync(join(place.root, "socket", ".s.PGSQL.5432"), { force: true });
  rmSync(join(place.root, "socket", ".s.PGSQL.5432.lock"), { force: true });
}

async function ensureDatabase(socket: string, port: string | undefined): Promise<void> {
  const client = new pg.Client({ connectionString: clusterUrl(socket, "postgres", port) });
  await client.connect();
  try {
    const { rowCount } = await client.query("select from pg_database where datname = $1", [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}
