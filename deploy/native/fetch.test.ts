import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { fetchWithMaven, fetchWithPip, runProgram, wordsOf } from "./fetch.ts";

describe("a program that runs and ends", () => {
  test("gives what it printed, what it said of errors, and its code", async () => {
    const script = "console.log('out'); console.error('err'); process.exitCode = 3";
    expect(await runProgram(process.execPath, ["-e", script])).toEqual({ code: 3, output: "out\n", errors: "err\n" });
  });

  test("that is not there says so, and nothing waits for it", async () => {
    const outcome = await runProgram("no-such-program", []);
    expect(outcome).toMatchObject({ code: null, output: "" });
    expect(outcome.errors).toContain("no-such-program");
    expect(process.getActiveResourcesInfo().filter((name) => name === "ChildProcess")).toEqual([]);
  });

  test("that hangs is ended, which is a failure", async () => {
    const outcome = await runProgram(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { timeoutMs: 300 });
    expect(outcome.code).toBe(1);
    expect(wordsOf(outcome)).toBe("ended by SIGTERM");
  });
});

test("what cannot be fetched says which program is missing, in the words of whoever wants it", async () => {
  const into = mkdtempSync(join(tmpdir(), "doppel-fetch-"));
  onTestFinished(() => rmSync(into, { recursive: true, force: true }));
  const fetch = { into, env: { PATH: into }, failed: (why: string) => new Error(`no S3Proxy: ${why}`) };
  await expect(fetchWithMaven(["dependency:copy"], fetch)).rejects.toThrow(
    'no S3Proxy: it needs Maven, and "mvn" does not run here',
  );
  await expect(fetchWithPip(["pyarrow"], fetch)).rejects.toThrow(
    'no S3Proxy: it needs pip, and "python3" does not run here',
  );
});
