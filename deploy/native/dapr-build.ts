/**
 * The three programs of Dapr that the distributed mode runs without containers, built from dapr/native once and then
 * kept: daprd, placement, scheduler. Needs Go, and the first time about 5 minutes on two cores, 1.5 GB of memory and
 * access to the Go modules (as `go env GOPROXY` says).
 *
 * The name of their folder says what they are made of, so a change of sources or of Go builds anew and never mixes.
 *
 * Run by itself, it builds what is missing and prints the paths: node deploy/native/dapr-build.ts
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, makeOnce } from "./cache.ts";
import { type Env, installByItself, type Outcome, runProgram } from "./fetch.ts";

/** Paths of the programs. */
export type DaprBinaries = { daprd: string; placement: string; scheduler: string };

/** The programs could not be built, or are not where DOPPEL_DAPR_BIN says. */
export class DaprBuildFailed extends Error {
  override readonly name = "DaprBuildFailed";
  readonly code = "DAPR_BUILD_FAILED";
  readonly retry = "never";
}

const MODULE = fileURLToPath(new URL("../../dapr/native", import.meta.url));
const PROGRAMS = ["daprd", "placement", "scheduler"] as const;
const PROGRESS_MS = 30_000;
const LONGEST_MS = 3_600_000;

/**
 * The programs: those in the folder DOPPEL_DAPR_BIN, or those built before, or new ones. `say` hears of a long wait.
 * @throws DaprBuildFailed
 */
export async function daprBinaries(
  say: (line: string) => void = () => {},
  env: Env = process.env,
): Promise<DaprBinaries> {
  const given = env.DOPPEL_DAPR_BIN;
  if (given !== undefined && given !== "") {
    const missing = PROGRAMS.filter((program) => !isFile(join(given, program)));
    if (missing.length === 0) return paths(given);
    throw new DaprBuildFailed(`DOPPEL_DAPR_BIN is ${given}, but this folder lacks ${missing.join(", ")}.`);
  }
  const folder = join(cacheFolder(env), `dapr-${contentHash(await goVersion(env))}`);
  await makeOnce(folder, (into) => build(into, say, env), say);
  return paths(folder);
}

async function build(into: string, say: (line: string) => void, env: Env): Promise<void> {
  const version = daprVersion();
  say(`Building Dapr ${version}. This takes about 5 minutes, once.`);
  const startedMs = Date.now();
  const seconds = () => Math.round((Date.now() - startedMs) / 1000);
  const progress = setInterval(() => say(`Still building Dapr, for ${seconds()} s now.`), PROGRESS_MS);
  const outcome = await go(
    [...buildArgs(), "-o", `${into}/`, ...PROGRAMS.map((program) => `./${program}`)],
    env,
  ).finally(() => clearInterval(progress));
  if (outcome.code !== 0) throw new DaprBuildFailed(`Dapr ${version} could not be built:\n${outcome.errors.trim()}`);
  say(`Built Dapr ${version} in ${seconds()} s.`);
}

/** Reproducible: no paths of this machine, no state of this repository, no debug symbols. */
function buildArgs(): string[] {
  const names = ["github.com/dapr/dapr/pkg/buildinfo.version", "github.com/dapr/kit/logger.DaprVersion"];
  const version = names.map((name) => `-X ${name}=${daprVersion()}`).join(" ");
  return ["build", "-trimpath", "-ldflags", `-s -w ${version}`];
}

/** Asked within the module, so that a Go that fetches the version which go.mod wants has done so. */
async function goVersion(env: Env): Promise<string> {
  const outcome = await go(["env", "GOVERSION"], env);
  const version = outcome.output.trim();
  if (outcome.code === 0 && version !== "") return version;
  const wanted = /^go (\S+)$/m.exec(readFileSync(join(MODULE, "go.mod"), "utf8"))?.[1];
  throw new DaprBuildFailed(
    `Dapr must be built, and Go is missing or too old: ${outcome.errors.trim()}. Install Go ${wanted} or newer, or ` +
      `set DOPPEL_DAPR_BIN to a folder with the programs ${PROGRAMS.join(", ")} of Dapr ${daprVersion()}.`,
  );
}

/** -mod=readonly: exactly the modules of go.mod, with exactly the contents of go.sum. */
function go(args: readonly string[], env: Env): Promise<Outcome> {
  const goEnv = { ...env, GOFLAGS: "-mod=readonly -buildvcs=false", GOWORK: "off", CGO_ENABLED: "0" };
  return runProgram("go", args, { cwd: MODULE, env: goEnv, timeoutMs: LONGEST_MS });
}

/** Of go.mod, go.sum, every Go file, and what compiles them how. */
function contentHash(compiler: string): string {
  const made = [compiler, process.platform, process.arch, ...buildArgs()];
  const hash = createHash("sha256").update(made.join("\0"));
  for (const path of sources(MODULE))
    hash
      .update(`${relative(MODULE, path)}\0`)
      .update(readFileSync(path))
      .update("\0");
  return hash.digest("hex").slice(0, 16);
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => /(\.go|^go\.mod|^go\.sum)$/.test(path))
    .sort()
    .map((path) => join(folder, path));
}

/** The version of Dapr that go.mod requires, e.g. "1.18.3". */
export function daprVersion(): string {
  const version = /^\s*github\.com\/dapr\/dapr v(\S+)/m.exec(readFileSync(join(MODULE, "go.mod"), "utf8"))?.[1];
  if (version === undefined) throw new DaprBuildFailed("dapr/native/go.mod does not require github.com/dapr/dapr.");
  return version;
}

/** The folder of Dapr's own sources, of which dapr/proto holds the protocol files; fetched when absent. */
export async function daprModuleFolder(env: Env = process.env): Promise<string> {
  const { code, output, errors } = await go(["mod", "download", "-json", "github.com/dapr/dapr"], env);
  const answer = output === "" ? {} : (JSON.parse(output) as { Dir?: string; Error?: string });
  if (code === 0 && answer.Dir !== undefined) return answer.Dir;
  throw new DaprBuildFailed(`The sources of Dapr ${daprVersion()} could not be had: ${answer.Error ?? errors.trim()}`);
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

function paths(folder: string): DaprBinaries {
  return { daprd: join(folder, "daprd"), placement: join(folder, "placement"), scheduler: join(folder, "scheduler") };
}

if (import.meta.main)
  await installByItself(DaprBuildFailed, async () => {
    const binaries = await daprBinaries((line) => console.error(line));
    return PROGRAMS.map((program) => binaries[program]).join("\n");
  });
