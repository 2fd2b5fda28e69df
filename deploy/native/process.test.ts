import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { freePort, NativeProcessFailed, type ProcessOptions, portAnswers, startProcess } from "./process.ts";

const yes = async () => true;

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "doppel-process-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A shell script as the server. */
function script(text: string, more: Partial<ProcessOptions> = {}): ProcessOptions {
  return {
    name: "Script",
    command: "/bin/sh",
    args: ["-c", text],
    logFile: join(folder(), "log", "out.log"),
    ready: yes,
    ...more,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The state letter of /proc: T is stopped. */
const state = (pid: number) => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0];

describe("a native process", () => {
  test("is the server itself, with its output in the log, and ends when asked", async () => {
    const options = script('echo "I am $$ with $COLOUR"; exec sleep 600', { env: { COLOUR: "blue" } });
    const server = await startProcess({
      ...options,
      ready: async () => readFileSync(options.logFile, "utf8") !== "",
    });
    expect(readFileSync(options.logFile, "utf8")).toBe(`I am ${server.pid} with blue\n`);
    await server.stop();
    await server.stop();
    expect(await server.exited).toEqual({ code: null, signal: "SIGTERM" });
    expect(isAlive(server.pid)).toBe(false);
  });

  test("that does not want to end is killed", async () => {
    const options = script("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    const server = await startProcess({ ...options, ready: async () => readFileSync(options.logFile, "utf8") !== "" });
    await server.stop(50);
    expect(await server.exited).toEqual({ code: null, signal: "SIGKILL" });
  });

  test.runIf(existsSync("/proc/self/stat"))("can be paused and resumed, and stopped while it is paused", async () => {
    const server = await startProcess(script("exec sleep 600"));
    server.pause();
    await vi.waitFor(() => expect(state(server.pid)).toBe("T"));
    server.resume();
    await vi.waitFor(() => expect(state(server.pid)).toBe("S"));
    server.pause();
    await server.stop();
    expect(await server.exited).toEqual({ code: null, signal: "SIGTERM" });
  });

  test("that ends before it is ready is an error with the end of this start's log", async () => {
    const options = script("echo earlier; exec sleep 600");
    await (await startProcess({ ...options, ready: async () => existsSync(options.logFile) })).kill();
    const failing = { ...options, args: ["-c", "echo the port is taken; exit 3"], ready: async () => false };
    const error = await startProcess(failing).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(NativeProcessFailed);
    expect(error.message).toMatch(/Script ended with code 3 before it was ready.*\nthe port is taken$/);
    expect(error).toMatchObject({ name: "NativeProcessFailed", code: "NATIVE_PROCESS_FAILED", retry: "never" });
  });

  test("whose program is missing says which", async () => {
    await expect(startProcess(script("", { command: "no-such-server", ready: async () => false }))).rejects.toThrow(
      '"no-such-server" is not installed',
    );
  });

  test("that never becomes ready is ended", async () => {
    const options = script("echo $$; exec sleep 600", { ready: async () => false, readyMs: 300 });
    await expect(startProcess(options)).rejects.toThrow("was not ready within 0.3 s");
    expect(isAlive(Number(readFileSync(options.logFile, "utf8")))).toBe(false);
  });

  test("ends when the process that started it is killed, unless told otherwise", async () => {
    const place = folder();
    const program = `
      import { startProcess } from ${JSON.stringify(join(import.meta.dirname, "process.ts"))};
      const common = { name: "S", command: "sleep", args: ["600"], logFile: ${JSON.stringify(join(place, "log"))}, ready: async () => true };
      const [one, two] = [await startProcess(common), await startProcess({ ...common, dieWithParent: false })];
      one.pause();
      console.log(one.pid, two.pid);
      setInterval(() => {}, 1000);`;
    const starter = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await new Promise<string>((resolve) => starter.stdout.once("data", (data) => resolve(String(data))));
    const [dies, lives] = line.split(" ").map(Number) as [number, number];
    onTestFinished(() => void process.kill(lives, "SIGKILL"));
    starter.kill("SIGKILL");
    await vi.waitFor(() => expect(isAlive(dies)).toBe(false), 10_000);
    expect(isAlive(lives)).toBe(true);
  });
});

describe("a free port", () => {
  test("is never given twice and lies below the ephemeral range", async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));
    expect(new Set(ports).size).toBe(50);
    expect(ports.every((port) => port > 10_000 && port < 32_768)).toBe(true);
  });

  test("answers when somebody listens, not before and not after", async () => {
    const port = await freePort();
    expect(await portAnswers(port)).toBe(false);
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    expect(await portAnswers(port)).toBe(true);
    await new Promise((resolve) => server.close(resolve));
    expect(await portAnswers(port)).toBe(false);
  });
});
