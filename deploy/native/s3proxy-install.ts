/** S3Proxy by Maven, into the cache. Run by itself, it installs it and prints where: node deploy/native/s3proxy-install.ts */
import { join } from "node:path";
import { cacheFolder, makeOnce } from "./cache.ts";
import { type Env, fetchWithMaven, installByItself, type Say } from "./fetch.ts";

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
  const failed = (why: string) => new S3ProxyInstallFailed(`S3Proxy ${VERSION} cannot be had: ${why}. ${HINT}`);
  await fetchWithMaven(["dependency:copy", `-Dartifact=${artifact}`], { into, env, failed });
}

if (import.meta.main)
  await installByItself(S3ProxyInstallFailed, async (say) => `S3Proxy ${VERSION} is ${await s3ProxyJar(say)}`);
