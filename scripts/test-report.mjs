/**
 * A reporter of vitest for test.mjs: writes what became of every test as JSON to the file that DOPPEL_TEST_REPORT names.
 *
 * R1: a test that has begun and not ended, one that was never reached, and a test file whose end was never told are
 *     `unfinished`: a process of vitest can die with all tests that were told of passed.
 * R2: how such a process died, which vitest 4 does not say, is told with its last words (a native abort has some) and
 *     the files that may have been its own.
 */
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** The program that vitest's pool of processes starts (its dist/workers/forks.js). */
const workerProgram = /[\\/]workers[\\/]forks\.js$/;

/** Characters of a dead process's errors, and how long what it wrote may still be on its way. */
const keptWords = 2_000;
const silenceMs = 1_000;

export default class TestReport {
  #root = "";
  #running = new Set();
  #deaths = [];

  onInit(vitest) {
    this.#root = vitest.config.root;
    // https://nodejs.org/docs/latest-v24.x/api/diagnostics_channel.html#child-process
    subscribe("child_process", ({ process: child }) => {
      let words = "";
      child.once("spawn", () => {
        child.stderr?.on("data", (chunk) => {
          words = `${words}${chunk}`.slice(-keptWords);
        });
      });
      child.once("exit", (code, signal) => {
        // vitest ends them by a signal of its own. R2
        if (child.killed || !child.spawnargs.some((argument) => workerProgram.test(argument))) return;
        const silent = child.stderr.closed ? null : Promise.race([once(child.stderr, "close"), pause(silenceMs)]);
        const death = { how: signal ?? `code ${code}`, during: [...this.#running] };
        this.#deaths.push(Promise.resolve(silent).then(() => ({ ...death, words: words.trim() })));
      });
    });
  }

  onTestModuleQueued(file) {
    this.#running.add(this.#nameOf(file));
  }

  onTestModuleEnd(file) {
    this.#running.delete(this.#nameOf(file));
  }

  async onTestRunEnd(files) {
    const report = { passed: 0, failed: 0, skipped: 0, unfinished: [], deaths: [] };
    for (const file of files) {
      const tests = [...file.children.allTests()].map((test) => ({ name: test.fullName, state: stateOf(test) }));
      const count = (state) => tests.filter((test) => test.state === state).length;
      report.passed += count("passed");
      report.skipped += count("skipped");
      // A file that could not even be loaded has no tests to fail, so it counts as one.
      report.failed += file.state() === "failed" ? Math.max(1, count("failed")) : count("failed");
      const open = tests.filter(({ state }) => state === "unfinished").map(({ name }) => name);
      if (open.length > 0 || !ends.has(file.state())) report.unfinished.push({ file: this.#nameOf(file), tests: open }); // R1
    }
    const open = new Set(report.unfinished.map(({ file }) => file));
    for (const death of await Promise.all(this.#deaths))
      report.deaths.push({ ...death, during: death.during.filter((file) => open.has(file)) });
    writeFileSync(process.env.DOPPEL_TEST_REPORT, JSON.stringify(report));
  }

  #nameOf({ moduleId, project }) {
    return `${relative(this.#root, moduleId)}${project.name === "" ? "" : ` (${project.name})`}`;
  }
}

const ends = new Set(["passed", "failed", "skipped"]);

/** vitest counts what it has not heard the end of with those that are skipped on purpose. */
function stateOf(test) {
  const { state } = test.result();
  return ends.has(state) ? state : "unfinished";
}
