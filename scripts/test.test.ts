import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const passes = "test('passes', () => {});";
const fails = "test('fails', () => { throw new Error('no') });";
const skips = "test.skip('skips', () => {});";

test.each([
  { files: [passes, passes], ci: "true", line: "2 passed, 0 failed", code: 0 },
  { files: [passes + fails], ci: "", line: "1 passed, 1 failed", code: 1 },
  { files: [passes, "import './missing.ts';"], ci: "", line: "1 passed, 1 failed", code: 1 },
  { files: [passes + skips], ci: "", line: "1 passed, 0 failed, 1 skipped", code: 0 },
  { files: [passes + skips], ci: "true", line: "1 passed, 0 failed, 1 skipped", code: 1 },
  { files: [`${passes} Promise.reject(new Error('nobody hears it'));`], ci: "", line: "1 passed, 0 failed", code: 1 },
  { files: [], ci: "", line: "0 passed, 0 failed", code: 1 },
])("a run of $files.length files with CI $ci ends with $line and code $code", ({ files, ci, line, code }) => {
  const folder = mkdtempSync(join(tmpdir(), "doppel-run-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [index, content] of files.entries()) writeFileSync(join(folder, `${index}.test.ts`), content);
  const script = fileURLToPath(new URL("./test.mjs", import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [script, "--root", folder, "--globals"], {
    env: { PATH: process.env.PATH, CI: ci },
    encoding: "utf8",
  });
  expect(stdout.trimEnd().split("\n").at(-1)).toBe(line);
  expect(status).toBe(code);
});
