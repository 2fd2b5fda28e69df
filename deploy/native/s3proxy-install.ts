/** S3Proxy by Maven, into the cache. Run by itself, it installs it and prints where: node deploy/native/s3proxy-install.ts */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { cacheFolder, makeOnce } from "./cache.ts";

type Env = Readonly<Record<string, string | undefined>>;
type Say = (line: string) => void;

/** S3Proxy cannot be run here: Maven is missing, or the download failed. */
export class S3ProxyInstallFailed extends Error {
  override readonly name = "S3ProxyInstallFailed";
  readonly code = "S3PROXY_INSTALL_FAILED";
  readonly retry = "never";
}

const VERSION = "4.1.0";
const JAR = `s3proxy-${VERSION}-jar-with-dependencies.jar`;
const HINT =
  "Install Java 17 or newer and Maven (Debian: apt-get install default-jre-headless maven), " +
  "or use a server of your own (tests: DOPPEL_TEST_S3=http://key:secret@host:port).";

/** Path of the jar; fetches it first when it is missing (10 s). @throws S3ProxyInstallFailed */
export async function s3ProxyJar(say: Say = () => {}, env: Env = process.env): Promise<string> {
  const folder = join(cacheFolder(env), `s3proxy-${VERSION}`);
  await makeOnce(folder, (into) => download(into, say, env), say);
  return join(folder, JAR);
}

async function download(into: string, say: Say, env: Env): Promise<void> {
  say(`Fetching S3Proxy ${VERSION} with Maven, once (55 MB).`);
  const artifact = `org.gaul:s3proxy:${VERSION}:jar:jar-with-dependencies`;
  const copy = ["dependency:copy", `-Dartifact=${artifact}`, `-DoutputDirectory=${into}`];
  const { code, output } = await run("mvn", ["-q", "-B", "-ntp", ...copy], into, env);
  if (code === null) throw new S3ProxyInstallFailed(`S3Proxy needs Maven, and "mvn" does not run here. ${HINT}`);
  if (code !== 0) {
    throw new S3ProxyInstallFailed(`Maven could not fetch S3Proxy ${VERSION}:\n${output.trim()}\n${HINT}`);
  }
}

/** `code` null: the program is not there. */
function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Env,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const hear = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("error", (error) => resolve({ code: null, output: error.message }));
    child.once("close", (code) => resolve({ code, output }));
  });
}

if (import.meta.main) {
  try {
    console.log(`S3Proxy ${VERSION} is ${await s3ProxyJar(console.log)}`);
  } catch (error) {
    if (!(error instanceof S3ProxyInstallFailed)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
