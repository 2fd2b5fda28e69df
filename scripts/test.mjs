/**
 * Runs all tests with vitest (arguments are passed on) and ends with one plain line: `N passed, N failed[, N skipped]`.
 * Fails when a test failed or did not come to its end, when none ran, when vitest itself failed, and, where CI is set,
 * when a test was skipped.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** vitest's own limits cannot end a test that never gives the thread back. */
const LIMIT_MINUTES = 30;
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "doppel-report-"));
const report = join(folder, "report.json");
const nothing = { passed: 0, failed: 1, skipped: 0, unfinished: [], deaths: [] };
process.exitCode = verdict(await vitest(process.argv.slice(2)), result());
rmSync(folder, { recursive: true, force: true });

function vitest(args) {
  const reporters = ["--reporter=default", `--reporter=${join(root, "scripts/test-report.mjs")}`];
  const child = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", ...reporters, ...args], {
    cwd: root,
    env: { ...process.env, DOPPEL_TEST_REPORT: report },
    stdio: ["ignore", "inherit", "inherit"],
    detached: true, // a group of its own, so that no worker that is stuck in a loop outlives the run
  });
  const endGroup = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {} // nobody is left
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  const limit = setTimeout(() => {
    console.log(`the tests took more than ${LIMIT_MINUTES} minutes and were ended`);
    endGroup();
  }, LIMIT_MINUTES * 60_000);
  return new Promise((resolve) => {
    child.once("error", (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.once("exit", (code) => {
      clearTimeout(limit);
      endGroup();
      resolve(code ?? 1);
    });
  });
}

/** As test-report.mjs writes it; null when there is none: vitest did not come to its end. */
function result() {
  try {
    return JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return null;
  }
}

function verdict(code, found) {
  const { passed, skipped, unfinished, deaths, ...told } = found ?? nothing;
  // A file whose tests all passed and whose end was never told counts as one.
  const open = unfinished.reduce((sum, { tests }) => sum + Math.max(1, tests.length), 0);
  const failed = told.failed + open;
  const strict = process.env.CI !== undefined && !["", "0", "false"].includes(process.env.CI);
  if (found === null) console.log("vitest did not come to its end");
  else if (passed + failed === 0) console.log("no test ran");
  else if (code !== 0 && failed === 0) console.log("vitest failed outside of any test, see above");
  for (const { how, during, words } of deaths) {
    console.log(`a process of vitest died by itself (${how})${during.length > 0 ? ` in ${during.join(" or ")}` : ""}`);
    if (words !== "") console.log(`  its last words:\n${words.replaceAll(/^/gm, "    ")}`);
  }
  for (const { file, tests } of unfinished) {
    console.log(`${file} did not come to its end and counts as failed`);
    for (const test of tests) console.log(`  not finished: ${test}`);
  }
  if (skipped > 0 && strict) console.log("a skipped test is a failure in CI");
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return code !== 0 || failed > 0 || passed === 0 || (skipped > 0 && strict) ? 1 : 0;
}
