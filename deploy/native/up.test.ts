/** What a person does: up, native, down, as processes of their own; with a program of a few lines as every role. */
import { execFile, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test, vi } from "vitest";
import { isAlive } from "../../ports/postgres/processes.ts";
import { readState } from "./state-file.ts";

const run = promisify(execFile);
const here = import.meta.dirname;

const available = await import("./dapr-build.ts")
  .then(({ daprBinaries }) => daprBinaries())
  .then(
    () => true,
    () => false,
  );
if (!available) console.warn("SKIPPED: the native scripts need Go, to build Dapr.");

/** up.ts with other roles; `said` is what it printed. */
async function up() {
  const folder = mkdtempSync(join(tmpdir(), "doppel-up-"));
  chmodSync(folder, 0o755); // PostgreSQL may run as another user
  const role = join(folder, "role.mjs");
  writeFileSync(
    role,
    `import { createServer } from "node:http";
createServer((_, response) => response.end("ok")).listen(Number(process.env.DOPPEL_HTTP_PORT), "127.0.0.1");
`,
  );
  const script = `
    const { runForeground } = await import(${JSON.stringify(join(here, "foreground.ts"))});
    await runForeground({
      folder: ${JSON.stringify(folder)}, actors: 2, gateways: 1, ports: "free", durable: false, detached: false,
      say: (line) => console.log(line),
      command: () => ({ program: process.execPath, args: [${JSON.stringify(role)}] }),
      topics: { program: process.execPath, args: ["-e", ""] },
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      said += chunk;
    });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const pids = () => readState(folder)?.processes.map(({ pid }) => pid) ?? [];
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await cli(folder, "down.ts");
    rmSync(folder, { recursive: true, force: true });
  });
  await vi.waitFor(() => expect(readState(folder)?.urls, said).toBeTruthy(), { timeout: 120_000, interval: 200 });
  return { folder, child, ended, pids, said: () => said };
}

/** Both what it printed and what it complained of. */
async function cli(folder: string, program: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, DOPPEL_NATIVE_FOLDER: folder };
  const { stdout, stderr } = await run(process.execPath, [join(here, program), ...args], { env }).catch(
    (error) => error,
  );
  return `${stdout}${stderr}`;
}

test.skipIf(!available)(
  "it says where things are, takes orders, refuses a second start, and goes down leaving nothing",
  async () => {
    const { folder, said, pids, ended } = await up();
    expect(said()).toContain(`Dashboard   ${readState(folder)!.urls!.http}/`);
    expect(said()).toContain(`npm run simulate -- --devices 1000 --rate 1 --mqtt ${readState(folder)!.urls!.mqtt}`);
    expect(readFileSync(join(folder, "state.json"), "utf8")).not.toContain("postgresql://");

    expect(await cli(folder, "steer.ts", "kill", "actors-2")).toMatch(/^actors-2 +stopped\nactors-2-daprd +stopped\n$/);
    expect(await cli(folder, "steer.ts", "status")).toMatch(/^actors-1 +running +pid \d+$/m);
    expect(await cli(folder, "steer.ts", "start", "actors-2")).toMatch(
      /^actors-2 +running +pid \d+\nactors-2-daprd +r/,
    );
    expect(await cli(folder, "steer.ts", "scale", "actors", "1")).toBe("There is 1 of actors now.\n");
    expect(await cli(folder, "steer.ts", "pause", "actors-2")).toContain('There is no process "actors-2"');
    expect(await cli(folder, "up.ts")).toContain(`runs already (process ${readState(folder)!.supervisor.pid})`);

    const running = pids();
    expect(await cli(folder, "down.ts")).toMatch(/^Stopping \d+ processes, in order …\nStopped\./);
    expect(await ended).toBe(0);
    expect(running.filter(isAlive)).toEqual([]);
    expect(await cli(folder, "down.ts")).toMatch(/^Nothing is running/);
    expect(await cli(folder, "steer.ts", "status")).toContain("It does not run. Start it: npm run up:native");
  },
  180_000,
);

test.skipIf(!available)(
  "when the supervisor is killed, nothing is left after the next down",
  async () => {
    const { folder, child, pids, ended } = await up();
    const running = pids();
    expect(running.length).toBeGreaterThan(10);
    const paused = readState(folder)!.processes.find(({ name }) => name === "actors-1")!;
    process.kill(paused.pid, "SIGSTOP");
    child.kill("SIGKILL");
    await ended;
    expect(await cli(folder, "down.ts")).toMatch(/^The supervisor was gone already\. /);
    expect(running.filter(isAlive)).toEqual([]);
    expect(existsSync(join(folder, "state.json"))).toBe(false);
  },
  180_000,
);

test("without a system, what to do is said", async () => {
  const folder = mkdtempSync(join(tmpdir(), "doppel-up-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  expect(await cli(folder, "steer.ts", "kill", "actors-2")).toContain("npm run up:native");
  expect(await cli(folder, "steer.ts", "explode", "actors-2")).toMatch(/^explode is no command\./);
  expect(await cli(folder, "steer.ts", "scale", "actors", "many")).toContain('a number from 1 to 99, not "many"');
  expect(await cli(folder, "steer.ts")).toContain("npm run native -- kill NAME");
  expect(await cli(folder, "up.ts", "--actors", "none")).toContain(
    '--actors is "none" but needs a whole number from 1 to 99.',
  );
});
