/**
 * Runs all tests with vitest (arguments are passed on) and ends with one plain line: `N passed, N failed[, N skipped]`.
 * Fails when a test failed, when none ran, when vitest itself failed, and, where CI is set, when a test was skipped.
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
process.exitCode = verdict(await vitest(process.argv.slice(2)), counts());
rmSync(folder, { recursive: true, force: true });

function vitest(args) {
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const child = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", ...reporters, ...args], {
    cwd: root,
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

/** null when there is no report: vitest did not come to its end. */
function counts() {
  try {
    const { testResults } = JSON.parse(readFileSync(report, "utf8"));
    const tests = testResults.flatMap((file) => file.assertionResults);
    const passed = tests.filter((test) => test.status === "passed").length;
    const failedTests = tests.filter((test) => test.status === "failed").length;
    // A file that could not even be loaded has no tests to fail, so it counts as one.
    const failedFiles = testResults.filter(
      (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
    ).length;
    return { passed, failed: failedTests + failedFiles, skipped: tests.length - passed - failedTests };
  } catch {
    return null;
  }
}

function verdict(code, found) {
  const { passed, failed, skipped } = found ?? { passed: 0, failed: 1, skipped: 0 };
  const strict = process.env.CI !== undefined && !["", "0", "false"].includes(process.env.CI);
  if (found === null) console.log("vitest did not come to its end");
  else if (passed + failed === 0) console.log("no test ran");
  else if (code !== 0 && failed === 0) console.log("vitest failed outside of any test, see above");
  if (skipped > 0 && strict) console.log("a skipped test is a failure in CI");
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return code !== 0 || failed > 0 || passed === 0 || (skipped > 0 && strict) ? 1 : 0;
}
