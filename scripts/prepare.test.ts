import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

test("a fresh clone gets its libraries, a prepared one is left alone", () => {
  const clone = aClone();
  expect(prepare(clone)).toMatchObject({ code: 0, said: expect.stringContaining("Installing the libraries") });
  expect(prepare(clone)).toEqual({ code: 0, said: "" });
  expect(installs(clone)).toBe(1);
});

test("a changed lockfile brings the libraries up to date, a touched one does not", () => {
  const clone = aClone();
  prepare(clone);
  writeFileSync(join(clone, "package-lock.json"), lockfile("1.0.0"));
  prepare(clone);
  expect(installs(clone)).toBe(1);
  writeFileSync(join(clone, "package-lock.json"), lockfile("1.0.1"));
  expect(prepare(clone).said).toContain("differ from package-lock.json");
  expect(installs(clone)).toBe(2);
});

test("an installation that was cut short is done again", () => {
  const clone = aClone();
  prepare(clone);
  rmSync(join(clone, "node_modules", ".package-lock.json"));
  prepare(clone);
  expect(installs(clone)).toBe(2);
});

test("an installation without its scripts says what to do", () => {
  const clone = aClone();
  prepare(clone);
  rmSync(join(clone, "node_modules", ".bin", "node"));
  expect(prepare(clone)).toMatchObject({
    code: 1,
    said: expect.stringContaining("npm rebuild --ignore-scripts=false"),
  });
});

test("a failed installation is an error", () => {
  const clone = aClone();
  writeFileSync(join(clone, "bin", "npm"), "#!/bin/sh\nexit 7\n");
  expect(prepare(clone)).toMatchObject({ code: 1, said: expect.stringContaining("npm ci failed") });
});

test("the dashboard is built for start and test, again only when a source of it changed", () => {
  const clone = aClone();
  put(join(clone, "web", "vite.config.ts"), "");
  put(join(clone, "web", "src", "app.ts"), "one");
  put(
    join(clone, "node_modules", "vite", "bin", "vite.js"),
    "const { mkdirSync, appendFileSync } = require('node:fs'); mkdirSync('web/dist', { recursive: true }); appendFileSync('web/dist/builds', '.');",
  );
  const builds = () =>
    existsSync(join(clone, "web/dist/builds")) ? readFileSync(join(clone, "web/dist/builds"), "utf8").length : 0;
  prepare(clone);
  expect(builds()).toBe(0);
  prepare(clone, "start");
  prepare(clone, "test");
  put(join(clone, "web", "src", "app.test.ts"), "a test is no source");
  prepare(clone, "start");
  expect(builds()).toBe(1);
  put(join(clone, "web", "src", "app.ts"), "two");
  prepare(clone, "start");
  expect(builds()).toBe(2);
});

/** A clone with the script, a lockfile and an npm of our own that counts what it is asked. */
function aClone(): string {
  const clone = mkdtempSync(join(tmpdir(), "doppel-prepare-"));
  onTestFinished(() => rmSync(clone, { recursive: true, force: true }));
  mkdirSync(join(clone, "scripts"));
  copyFileSync(new URL("./prepare.mjs", import.meta.url), join(clone, "scripts", "prepare.mjs"));
  writeFileSync(join(clone, "package-lock.json"), lockfile("1.0.0"));
  put(
    join(clone, "bin", "npm"),
    `#!/bin/sh
[ "$*" = ci ] || exit 9
echo installed >>installs
mkdir -p node_modules/.bin
ln -sf ${process.execPath} node_modules/.bin/node
cp package-lock.json node_modules/.package-lock.json
`,
  );
  symlinkSync(process.execPath, join(clone, "bin", "node"));
  return clone;
}

function lockfile(version: string): string {
  const packages = { "": { name: "clone" }, "node_modules/one": { version, integrity: `sha512-${version}` } };
  return JSON.stringify({ packages });
}

function prepare(clone: string, ...args: string[]): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(clone, "scripts", "prepare.mjs"), ...args], {
    cwd: "/",
    env: { PATH: `${join(clone, "bin")}:/usr/bin:/bin` },
    encoding: "utf8",
  });
  return { code: status, said: stdout + stderr };
}

function installs(clone: string): number {
  return readFileSync(join(clone, "installs"), "utf8").trim().split("\n").length;
}

function put(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, 0o755);
}
