/**
 * The real system as a child process, `node start.ts` on free ports and a folder of its own, and the means to kill it.
 *
 * Y1 Nothing of it outlives this process: a watcher shell kills it when the pipe to us closes, and PostgreSQL has one
 *    of its own (ports/postgres/cluster.ts).
 * Y2 Only process ids that belong to it are signalled: the child's, and those that work in its data folder.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { postgresProcessesIn, signalAll, until } from "../../ports/postgres/processes.ts";

/** What is killed with -9; `backend` is one process of PostgreSQL, which then ends all sessions and recovers. */
export type Target = "node" | "postgres" | "both" | "backend";

export type Start =
  /** `seconds` from the call until it said that it is up. */
  | { readonly kind: "up"; readonly seconds: number; readonly replayedRecords: number }
  | { readonly kind: "ended"; readonly code: number | null; readonly output: string };

const upLimitMs = 90_000;
const endLimitMs = 30_000;
const root = join(import.meta.dirname, "..", "..");

/** The watcher is told "over" when the child has ended by itself, so that it never kills a later process of that id. */
const serve = `( (
  while read -r word <&3; do [ "$word" = over ] && exit; done
  kill -KILL $$
) & )
exec 3<&-
exec "$@"
`;

export class System {
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly #wsPort: number;
  readonly #folder: string;
  readonly #settings: Record<string, string>;
  #child: ChildProcess | null = null;
  #ended: Promise<number | null> = Promise.resolve(null);
  #output = "";
  /** When this process is ended in the middle of a run. */
  readonly #onExit = () => {
    this.kill("both");
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  };

  private constructor(folder: string, ports: readonly number[], settings: Record<string, string>) {
    this.#folder = folder;
    [this.mqttPort, this.httpPort, this.#wsPort] = ports as [number, number, number];
    this.#settings = settings;
    process.once("exit", this.#onExit);
  }

  /** @param settings environment variables, see config.ts */
  static async create(settings: Record<string, string>): Promise<System> {
    const folder = mkdtempSync("/tmp/doppel-faults-"); // not TMPDIR: a socket's path must be short
    chmodSync(folder, 0o711); // the database's user passes through when we are root
    return new System(folder, await freePorts(3), settings);
  }

  /** The folder for `startCluster`. */
  get databaseFolder(): string {
    return join(this.#folder, "data", "postgres");
  }

  get running(): boolean {
    return this.#child !== null;
  }

  /** The newest part of what it printed. */
  get output(): string {
    return this.#output.slice(-4_000);
  }

  async start(): Promise<Start> {
    const startedAt = performance.now();
    const up = this.#spawn();
    const limit = setTimeout(() => this.#child?.kill("SIGKILL"), upLimitMs);
    const first = await Promise.race([up, this.#ended.then((code) => ({ code }))]);
    clearTimeout(limit);
    if (first !== "up") return { kind: "ended", code: first.code, output: this.output };
    const replayedRecords = Number(/(\d+) records replayed/.exec(this.#output)?.[1] ?? 0);
    return { kind: "up", seconds: (performance.now() - startedAt) / 1_000, replayedRecords };
  }

  /** Kills at once; gives the process ids that were there to kill. */
  kill(target: Target): number[] {
    const postgres = this.#postgres();
    const node = this.#child?.pid === undefined ? [] : [this.#child.pid];
    const backend = postgres.filter((pid) => pid !== this.#postmaster()).slice(-1);
    const pids = { node, postgres, both: [...node, ...postgres], backend }[target];
    signalAll(pids, "SIGKILL");
    return pids;
  }

  /** Waits until Node and PostgreSQL have ended. False: Node went on for 30 s without its database, and was killed. */
  async gone(): Promise<boolean> {
    const child = this.#child;
    const inTime = await until(() => this.#child === null, endLimitMs);
    if (!inTime) child?.kill("SIGKILL");
    await this.#ended;
    return inTime;
  }

  /** As Ctrl-C does; gives the exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (child === null) return null;
    child.kill("SIGTERM");
    const limit = setTimeout(() => child.kill("SIGKILL"), endLimitMs);
    const code = await this.#ended;
    clearTimeout(limit);
    return code;
  }

  /** Ends everything and removes the folder. */
  async destroy(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended;
    signalAll(this.#postgres(), "SIGKILL");
    await until(() => this.#postgres().length === 0, endLimitMs);
    process.off("exit", this.#onExit);
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #spawn(): Promise<"up"> {
    if (this.#child !== null) throw new Error("The system runs already: end it before it is started again.");
    const { promise, resolve } = Promise.withResolvers<"up">();
    this.#output = "";
    const child = spawn("/bin/sh", ["-c", serve, "sh", process.execPath, join(root, "start.ts")], {
      cwd: this.#folder,
      env: {
        PATH: process.env.PATH ?? "/usr/bin:/bin",
        DOPPEL_DATA_DIR: join(this.#folder, "data"),
        DOPPEL_MQTT_PORT: String(this.mqttPort),
        DOPPEL_MQTT_WS_PORT: String(this.#wsPort),
        DOPPEL_HTTP_PORT: String(this.httpPort),
        DOPPEL_LOG_FORMAT: "json",
        ...this.#settings,
      },
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    const lifeline = child.stdio[3] as Writable;
    lifeline.on("error", () => {}); // the watcher may have ended
    const listen = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-20_000);
      if (this.#output.includes("Doppel is up")) resolve("up");
    };
    child.stdout?.on("data", listen);
    child.stderr?.on("data", listen);
    this.#child = child;
    this.#ended = new Promise((ended) => {
      child.once("error", (error) => {
        this.#output += error.message;
        finish(null);
      });
      child.once("exit", (code) => finish(code));
      const finish = (code: number | null) => {
        lifeline.end("over\n");
        this.#child = null;
        ended(code);
      };
    });
    return promise;
  }

  #postgres(): number[] {
    try {
      return postgresProcessesIn(join(realpathSync(this.databaseFolder), "data"), this.#postmaster());
    } catch {
      return []; // there is no such folder yet
    }
  }

  #postmaster(): number | null {
    try {
      return Number(readFileSync(join(this.databaseFolder, "data", "postmaster.pid"), "utf8").split("\n")[0]);
    } catch {
      return null;
    }
  }
}

/**
 * Ports that were free a moment ago: the system gets the same ones at each start, as on a real machine. Below the range
 * from which connections get theirs (Linux: from 32768): a device that keeps trying a port of that range while nobody
 * listens would sooner or later be given that very port, connect to itself, and keep the system out.
 */
async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < 1_000; tries += 1) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (!ports.includes(port) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
