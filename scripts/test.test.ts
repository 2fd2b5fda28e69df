import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const passes = "test('passes', () => {});";
const fails = "test('fails', () => { throw new Error('no') });";
const skips = "test.skip('skips', () => {});";
const dies = "process.getBuiltinModule('fs').writeSync(2, 'its heart'); process.kill(process.pid, 'SIGKILL');";

test.each([
  { files: [passes, passes], ci: "true", line: "2 passed, 0 failed", code: 0 },
  { files: [passes + fails], ci: "", line: "1 passed, 1 failed", code: 1 },
  { files: [passes, "import './missing.ts';"], ci: "", line: "1 passed, 1 failed", code: 1 },
  { files: [passes + skips], ci: "", line: "1 passed, 0 failed, 1 skipped", code: 0 },
  { files: [passes + skips], ci: "true", line: "1 passed, 0 failed, 1 skipped", code: 1 },
  { files: [`${passes} Promise.reject(new Error('nobody hears it'));`], ci: "", line: "1 passed, 0 failed", code: 1 },
  { files: [], ci: "", line: "0 passed, 0 failed", code: 1 },
])("a run of $files.length files with CI $ci ends with $line and code $code", ({ files, ci, line, code }) => {
  const { lines, status } = runOf(files, ci);
  expect(lines.at(-1)).toBe(line);
  expect(status).toBe(code);
});

test("a file whose process died in a test counts as failed, with all that it had still to do, and how it died is told", () => {
  const dying = `describe('a group', () => { test('dies', () => { ${dies} }); test('was never reached', () => {}); });`;
  const { lines, status } = runOf([passes, dying + skips], "");
  const end = lines.slice(lines.findIndex((line) => line.startsWith("a process of vitest died")));
  expect(end).toEqual([
    "a process of vitest died by itself (SIGKILL) in 1.test.ts",
    "  its last words:",
    "    its heart",
    "1.test.ts did not come to its end and counts as failed",
    "  not finished: a group > dies",
    "  not finished: a group > was never reached",
    "1 passed, 2 failed, 1 skipped",
  ]);
  expect(status).toBe(1);
});

test("a file whose process died before its first test counts as one that failed", () => {
  const { lines, status } = runOf([passes, `${dies} ${passes}`], "");
  expect(lines).toContain("1.test.ts did not come to its end and counts as failed");
  expect(lines.at(-1)).toBe("1 passed, 1 failed");
  expect(status).toBe(1);
});

function runOf(files: readonly string[], ci: string) {
  const folder = mkdtempSync(join(tmpdir(), "doppel-run-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [index, content] of files.entries()) writeFileSync(join(folder, `${index}.test.ts`), content);
  const script = fileURLToPath(new URL("./test.mjs", import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [script, "--root", folder, "--globals"], {
    env: { PATH: process.env.PATH, CI: ci },
    encoding: "utf8",
  });
  return { lines: stdout.trimEnd().split("\n"), status };
}
