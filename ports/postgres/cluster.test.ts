import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { type Cluster, type ClusterOptions, startCluster } from "./cluster.ts";
import { ClusterInUse, ClusterUnavailable } from "./errors.ts";
import { isAlive, postgresProcessesIn, until } from "./processes.ts";

const quick: ClusterOptions = { durable: false };

describe("an embedded PostgreSQL", () => {
  test("keeps what was committed over a stop and a start, and has no TCP port", async () => {
    const folder = join(privateFolder(), "postgres");
    const first = await opened(folder);
    await query(first.url, "create table kept (word text)");
    await query(first.url, "insert into kept values ('ÄÖ')");
    expect(await query(first.url, "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
    await first.stop();
    expect(await first.exited).toEqual({ asked: true, detail: "ended with code 0" });
    expect(isAlive(first.pid)).toBe(false);
    const second = await opened(folder);
    expect(await query(second.url, "select lower(word) as word from kept")).toEqual([{ word: "äö" }]);
  });

  test("is durable unless told otherwise", async () => {
    const { url } = await opened(join(privateFolder(), "postgres"), {});
    expect(await query(url, "select current_setting('fsync') || current_setting('synchronous_commit') as set")).toEqual(
      [{ set: "onon" }],
    );
  });

  test("can be stopped twice", async () => {
    const cluster = await opened(join(privateFolder(), "postgres"));
    await Promise.all([cluster.stop(), cluster.stop()]);
    await cluster.stop();
  });

  test("a second start on the folder is refused, by the same process and by another, and the first goes on", async () => {
    const folder = join(privateFolder(), "postgres");
    const { url } = await opened(folder);
    const refusal = await startCluster(folder, quick).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ClusterInUse);
    expect(refusal).toMatchObject({ code: "CLUSTER_IN_USE", retry: "never", pid: process.pid });
    expect(await holder(folder).said).toMatch(/^CLUSTER_IN_USE .*in use by another running Doppel \(process \d+\)/);
    expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("of two starts in the same moment, one wins and the other is told so", async () => {
    const folder = join(privateFolder(), "postgres");
    const both = [holder(folder), holder(folder)];
    const said = await Promise.all(both.map((one) => one.said));
    expect(said.map((line) => line.split(" ")[0]).sort()).toEqual(["CLUSTER_IN_USE", "READY"]);
  });

  test("takes a folder whose path is too long for a socket", async () => {
    const folder = join(privateFolder(), "long".repeat(30), "postgres");
    const first = await opened(folder);
    await first.stop();
    const second = await opened(folder);
    expect(await query(second.url, "select 1 as one")).toEqual([{ one: 1 }]);
    const socket = new URL(second.url).searchParams.get("host") ?? "";
    await second.stop();
    expect(existsSync(join(folder, "socket"))).toBe(false);
    expect(existsSync(socket)).toBe(false);
  });

  test("clears away what an initialisation that was cut short left", async () => {
    const folder = join(privateFolder(), "postgres");
    mkdirSync(join(folder, "init-999999999", "base"), { recursive: true });
    await opened(folder);
    expect(existsSync(join(folder, "init-999999999"))).toBe(false);
  });

  test("that cannot start says what PostgreSQL said", async () => {
    const folder = join(privateFolder(), "postgres");
    await (await opened(folder)).stop();
    writeFileSync(join(folder, "data", "PG_VERSION"), "9\n");
    const failure = await startCluster(folder, quick).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ClusterUnavailable);
    expect((failure as Error).message).toMatch(/did not start.*\n.*database files are incompatible with server/);
  });

  if (process.getuid?.() === 0) {
    test("of root lives where its user can reach it when the folder is out of that user's reach", async () => {
      const closed = mkdtempSync("/tmp/doppel-closed-");
      onTestFinished(() => rmSync(closed, { recursive: true, force: true }));
      chmodSync(closed, 0o700);
      const folder = join(closed, "postgres");
      const said: string[] = [];
      const { url, stop } = await startCluster(folder, { ...quick, say: (line) => said.push(line) });
      onTestFinished(stop);
      const real = realpathSync(folder);
      onTestFinished(() => rmSync(real, { recursive: true, force: true }));
      expect(lstatSync(folder).isSymbolicLink()).toBe(true);
      expect(said.join("\n")).toContain(`cannot reach ${folder}: its data is in ${real}`);
      await query(url, "create table kept (word text)");
      await stop();
      const again = await opened(folder);
      expect(await query(again.url, "select * from kept")).toEqual([]);
    });
  }
});

describe("an embedded PostgreSQL after a kill", () => {
  const folder = join(privateFolder(afterAll), "postgres");
  const data = join(folder, "data");
  let rows = 0;

  /** Starts, finds every row committed before, adds one. */
  async function startsWhole(): Promise<Cluster> {
    const cluster = await opened(folder);
    await query(cluster.url, "create table if not exists kept (n int)");
    expect(await query(cluster.url, "select count(*)::int as n from kept")).toEqual([{ n: rows }]);
    await query(cluster.url, "insert into kept values (1)");
    rows += 1;
    return cluster;
  }

  test("of the postmaster: its end is told, and the next start has everything", async () => {
    const cluster = await startsWhole();
    process.kill(cluster.pid, "SIGKILL");
    expect(await cluster.exited).toEqual({ asked: false, detail: "was killed by SIGKILL" });
    await (await startsWhole()).stop();
  });

  test("of the postmaster, while one of its processes is slow to end: the next start waits for that", async () => {
    const cluster = await startsWhole();
    const slow = postgresProcessesIn(data, cluster.pid).find((pid) => pid !== cluster.pid)!;
    process.kill(slow, "SIGSTOP");
    process.kill(cluster.pid, "SIGKILL");
    await cluster.exited;
    const next = startsWhole();
    process.kill(slow, "SIGCONT");
    await (await next).stop();
  });

  test("of one session: PostgreSQL ends, which is told, and the next start has everything", async () => {
    const cluster = await startsWhole();
    const client = new pg.Client({ connectionString: cluster.url });
    client.on("error", () => {}); // it is the one that is killed
    await client.connect();
    const { rows: found } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    process.kill(found[0]!.pid, "SIGKILL");
    expect(await cluster.exited).toMatchObject({ asked: false, detail: expect.stringMatching(/^ended with code/) });
    await (await startsWhole()).stop();
  });

  test("of the process that holds it: it stops by itself", async () => {
    const one = holder(folder);
    const pid = await one.postmaster;
    await one.kill();
    expect(await until(() => !isAlive(pid) && postgresProcessesIn(data, pid).length === 0, 30_000)).toBe(true);
    expect(existsSync(join(data, "postmaster.pid"))).toBe(false); // it shut down in order
    await (await startsWhole()).stop();
  });

  test("of the process that holds it: a start in that moment waits for it to stop", async () => {
    const one = holder(folder);
    await one.postmaster;
    await one.kill();
    await (await startsWhole()).stop();
  });

  test("of the process that holds it and of PostgreSQL, in either order", async () => {
    for (const order of ["node first", "postgres first"]) {
      const one = holder(folder);
      const pid = await one.postmaster;
      if (order === "node first") one.process.kill("SIGKILL");
      process.kill(pid, "SIGKILL");
      await one.kill();
      await (await startsWhole()).stop();
    }
  });

  test("of the process that holds it and of the watcher: the next start stops the orphan and takes over", async () => {
    const one = holder(folder);
    const pid = await one.postmaster;
    process.kill(watcherOf(pid), "SIGKILL");
    await one.kill();
    await (await startsWhole()).stop();
    expect(isAlive(pid)).toBe(false);
  });

  test("of the process while it starts, at any moment: the next start works", async () => {
    for (const afterMs of [0, 60, 90, 120, 180]) {
      const one = holder(folder);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await one.kill();
      await one.said;
      await (await startsWhole()).stop();
    }
  });

  test("of the process while it makes the database, at any moment: the next start makes it anew", async () => {
    for (const afterMs of [100, 300, 500]) {
      const fresh = join(privateFolder(), "postgres");
      const one = holder(fresh);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await one.kill();
      await one.said;
      const cluster = await opened(fresh);
      expect(await query(cluster.url, "select 1 as one")).toEqual([{ one: 1 }]);
      await cluster.stop();
    }
  });

  test("of the machine: a lock file whose process id belongs to another program by now is removed", async () => {
    const cluster = await startsWhole();
    const lock = readFileSync(join(data, "postmaster.pid"), "utf8");
    await cluster.stop();
    writeFileSync(join(data, "postmaster.pid"), lock.replace(/^\d+/, String(process.pid)));
    writeFileSync(join(folder, "socket", ".s.PGSQL.5432.lock"), `${process.pid}\n`);
    writeFileSync(join(folder, "holder.json"), JSON.stringify({ pid: process.pid, startedAt: "1" }));
    await (await startsWhole()).stop();
  });
});

type Holder = {
  process: ChildProcess;
  said: Promise<string>;
  postmaster: Promise<number>;
  /** With -9, until it is gone. */
  kill(): Promise<void>;
};

/** The owner of a cluster in a process of its own, which says READY and the postmaster's id, or an error's code. */
function holder(folder: string): Holder {
  const script = `
    import { startCluster } from ${JSON.stringify(new URL("./cluster.ts", import.meta.url).href)};
    try {
      const cluster = await startCluster(${JSON.stringify(folder)}, { durable: false });
      console.log("READY", cluster.pid);
      setInterval(() => {}, 1000);
    } catch (error) {
      console.log(error.code, error.message);
    }`;
  let started: number | null = null;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    if (started !== null) await until(() => !isAlive(started as number), 30_000);
  });
  const said = new Promise<string>((resolve) => {
    let words = "";
    child.stdout.on("data", (chunk: Buffer) => {
      words += chunk.toString();
      if (words.endsWith("\n")) resolve(words);
    });
    child.once("close", () => resolve(words));
  });
  const postmaster = said.then((words) => {
    const pid = Number(/^READY (\d+)/.exec(words)?.[1]);
    if (Number.isNaN(pid)) throw new Error(`the holder did not start: ${words}`);
    started = pid;
    return pid;
  });
  postmaster.catch(() => {});
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const kill = () => {
    child.kill("SIGKILL");
    return gone;
  };
  return { process: child, said, postmaster, kill };
}

/** The shell that shares the postmaster's session but is not its child. */
function watcherOf(postmaster: number): number {
  const found = processesOfSession(postmaster).find(({ name }) => name === "sh");
  if (found === undefined) throw new Error(`no watcher of ${postmaster}`);
  return found.pid;
}

function processesOfSession(session: number): { pid: number; name: string }[] {
  return readdirNumbers("/proc").flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(fields[3]) === session
        ? [{ pid, name: stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")) }]
        : [];
    } catch {
      return [];
    }
  });
}

function readdirNumbers(folder: string): number[] {
  return readdirSync(folder).map(Number).filter(Number.isInteger);
}

async function opened(folder: string, options: ClusterOptions = quick): Promise<Cluster> {
  const cluster = await startCluster(folder, options);
  onTestFinished(() => cluster.stop());
  return cluster;
}

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

/** Below /tmp, passable for the server's user; removed at the end. */
function privateFolder(atEnd: (remove: () => void) => void = onTestFinished): string {
  const folder = mkdtempSync("/tmp/doppel-cluster-");
  chmodSync(folder, 0o711);
  atEnd(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
