/**
 * Brings a clone to where `npm start` and `npm test` can work: libraries as package-lock.json says, the dashboard as
 * its sources say. npm runs it before those scripts; when nothing is to be done it takes some milliseconds and is silent.
 * Plain JavaScript for any Node from 20 on: the Node that the rest needs is itself one of the libraries.
 *
 * Usage: node scripts/prepare.mjs [start | test]    (both also build the dashboard)
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const modules = join(root, "node_modules");
const ownNode = join(modules, ".bin", "node");

try {
  requireNode();
  if (!librariesFit()) await install();
  requireOwnNode();
  if (process.argv[2] !== undefined) await buildDashboard();
} catch (error) {
  console.error(`\n${error.message}`);
  process.exit(1);
}

function requireNode() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) throw new Error(`Doppel needs Node 20 or newer to start with, this is ${process.version}.`);
}

/** npm's own record of what it installed against the lockfile: by content, since a checkout changes every time stamp. */
function librariesFit() {
  const installed = packagesOf(join(modules, ".package-lock.json"));
  const wanted = packagesOf(join(root, "package-lock.json"));
  if (wanted === null) throw new Error("package-lock.json is missing. Check the clone: git status.");
  if (installed === null) return false;
  return Object.entries(wanted).every(([path, wants]) => {
    if (path === "") return true;
    const has = installed[path];
    if (has === undefined) return wants.optional === true; // another platform's
    return has.version === wants.version && has.integrity === wants.integrity;
  });
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages;
  } catch {
    return null;
  }
}

async function install() {
  const what = existsSync(modules)
    ? "The libraries differ from package-lock.json: installing them"
    : "Installing the libraries";
  console.log(`${what} (about 500 MB, half a minute on a quick connection)`);
  // Not the Node that npm is about to replace: the system's, by the PATH without our own folder.
  const path = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => !folder.endsWith(join("node_modules", ".bin")));
  const code = await run("npm", ["ci"], { ...process.env, PATH: path.join(delimiter) });
  if (code !== 0)
    throw new Error("npm ci failed: what it said is above. Without a network the libraries cannot be installed.");
}

function requireOwnNode() {
  const { stdout, error } = spawnSync(ownNode, ["--version"], { encoding: "utf8" });
  if (error === undefined && /^v(2[4-9]|[3-9]\d)\./.test(stdout)) return;
  throw new Error(
    "The libraries are installed, but not the Node 24 among them: npm was perhaps told to run no install scripts.\n" +
      "Run: npm rebuild --ignore-scripts=false",
  );
}

/** Built again when a source or the lockfile differs from what the last build was made of. */
async function buildDashboard() {
  const web = join(root, "web");
  const config = join(web, "vite.config.ts");
  if (!existsSync(config)) return;
  const stamp = join(web, "dist", ".built-from");
  const sources = fingerprint(web);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === sources) return;
  console.log("Building the dashboard");
  const vite = join(modules, "vite", "bin", "vite.js");
  const code = await run(ownNode, [vite, "build", "--config", config, "--logLevel", "warn"], process.env);
  if (code !== 0) throw new Error("The dashboard could not be built: what vite said is above.");
  writeFileSync(stamp, sources);
}

function fingerprint(web) {
  const hash = createHash("sha256").update(readFileSync(join(root, "package-lock.json")));
  const files = readdirSync(web, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.includes(".test."))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((path) => !path.startsWith(join(web, "dist")) && !path.includes("node_modules"))
    .sort();
  for (const path of files) hash.update(`\0${path.slice(web.length)}\0`).update(readFileSync(path));
  return hash.digest("hex");
}

/** Runs with our output; says each few seconds that it still does where nothing else moves. */
function run(program, args, env) {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const child = spawn(program, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
    const beat = setInterval(() => {
      if (!process.stdout.isTTY) console.log(`  ${Math.round((performance.now() - startMs) / 1000)} s …`);
    }, 5_000);
    child.once("error", (error) => {
      clearInterval(beat);
      reject(new Error(`${program} could not be run: ${error.message}`));
    });
    child.once("close", (code) => {
      clearInterval(beat);
      resolve(code);
    });
  });
}
