/**
 * Apache Kafka's own libraries by Maven, into the cache, and an archive of its classes, with which it starts in a
 * third of the time. Run by itself, it installs what is missing and prints where: node deploy/native/kafka-install.ts
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder, makeOnce } from "./cache.ts";
import { type Env, fetchWithMaven, installByItself, runProgram, type Say } from "./fetch.ts";
import { kafkaProperties } from "./kafka-properties.ts";
import { freePort, NativeProcessFailed, portAnswers, startProcess } from "./process.ts";

/** Kafka cannot be run here: Java or Maven is missing, or the download failed. */
export class KafkaInstallFailed extends Error {
  override readonly name = "KafkaInstallFailed";
  readonly code = "KAFKA_INSTALL_FAILED";
  readonly retry = "never";
}

export type KafkaInstallation = {
  /** For `java -cp`. */
  classPath: string;
  /** Of the JVM, for every program of Kafka. */
  options: readonly string[];
};

const VERSION = "4.4.0";
const OLDEST_JAVA = 17;
const HINT =
  "Install Java 17 or newer and Maven (Debian: apt-get install default-jre-headless maven), " +
  "or use brokers of your own (tests: DOPPEL_TEST_KAFKA=host:port).";

/** slf4j-simple: without it, Kafka says nothing. kafka-tools-api is not on Maven Central, and the broker needs it not. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>doppel</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${VERSION}</version>
      <exclusions>
        <exclusion><groupId>org.apache.kafka</groupId><artifactId>kafka-tools-api</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;

/** What to run Kafka with; installs it first when it is missing (15 s). @throws KafkaInstallFailed */
export async function kafkaInstallation(say: Say = () => {}, env: Env = process.env): Promise<KafkaInstallation> {
  const java = await javaVersion(env);
  const folder = join(cacheFolder(env), `kafka-${VERSION}`);
  await makeOnce(folder, (into) => download(into, say, env), say);
  const classPath = readdirSync(folder)
    .filter((name) => name.endsWith(".jar"))
    .sort() // the archive below fits only the same list
    .map((name) => join(folder, name))
    .join(":");
  const archives = join(cacheFolder(env), `kafka-${VERSION}-classes-${java.replaceAll(/[^\w.+-]/g, "_")}`);
  await makeOnce(archives, (into) => archiveClasses(into, classPath, say), say);
  const archive = join(archives, "classes.jsa");
  const sharing = existsSync(archive) ? [`-XX:SharedArchiveFile=${archive}`, "-Xshare:auto", "-Xlog:cds=off"] : [];
  return { classPath, options: [...OPTIONS, ...sharing] };
}

/** Small and quick to start, for one machine. The garbage collector must be the one of the archive. */
const OPTIONS = [
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-XX:-UsePerfData",
  "-Djava.net.preferIPv4Stack=true",
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
  "-Dorg.slf4j.simpleLogger.showDateTime=true",
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
];

/** "17.0.15+6-Debian-1": the archive is good for exactly this one. */
async function javaVersion(env: Env): Promise<string> {
  const outcome = await runProgram("java", ["-XshowSettings:properties", "-version"], { env });
  if (outcome.code !== 0) throw new KafkaInstallFailed(`Kafka needs Java, and "java" does not run here. ${HINT}`);
  const version = /java\.runtime\.version = (\S+)/.exec(outcome.errors + outcome.output)?.[1] ?? "unknown";
  if (Number.parseInt(version, 10) < OLDEST_JAVA)
    throw new KafkaInstallFailed(`Kafka needs Java ${OLDEST_JAVA} or newer; "java" is ${version}. ${HINT}`);
  return version;
}

async function download(into: string, say: Say, env: Env): Promise<void> {
  say(`Fetching Kafka ${VERSION} with Maven, once (43 MB).`);
  const work = mkdtempSync(join(tmpdir(), "doppel-kafka-"));
  try {
    writeFileSync(join(work, "pom.xml"), POM);
    const failed = (why: string) => new KafkaInstallFailed(`Kafka ${VERSION} cannot be had: ${why}. ${HINT}`);
    await fetchWithMaven(["dependency:copy-dependencies", "-DincludeScope=runtime"], { into, env, failed }, work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The classes of one whole start, kept for the next ones. Without an archive Kafka runs as well: no error. */
async function archiveClasses(into: string, classPath: string, say: Say): Promise<void> {
  say("Starting Kafka once, so that it starts faster from now on.");
  const work = mkdtempSync(join(tmpdir(), "doppel-kafka-"));
  const archive = join(into, "classes.jsa");
  try {
    const node = { id: 1, port: await freePort(), controllerPort: await freePort() };
    const properties = join(work, "server.properties");
    writeFileSync(properties, kafkaProperties(node, [node], join(work, "data")));
    const java = (...args: string[]) => [...OPTIONS, "-cp", classPath, ...args];
    const format = java("kafka.tools.StorageTool", "format", "-t", randomClusterId(), "-c", properties);
    if ((await runProgram("java", format)).code !== 0) return;
    const broker = await startProcess({
      name: "Kafka",
      command: "java",
      args: [`-XX:ArchiveClassesAtExit=${archive}.new`, ...java("kafka.Kafka", properties)],
      logFile: join(work, "log"),
      ready: () => portAnswers(node.port),
    });
    await broker.stop(60_000);
    if (existsSync(`${archive}.new`)) renameSync(`${archive}.new`, archive);
  } catch (error) {
    if (!(error instanceof NativeProcessFailed)) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** 22 characters of URL-safe base64, as Kafka wants it. */
export function randomClusterId(): string {
  const id = randomBytes(16).toString("base64url");
  return id.startsWith("-") ? randomClusterId() : id; // Kafka's tool would take it for an option
}

if (import.meta.main)
  await installByItself(KafkaInstallFailed, async (say) => {
    const { classPath } = await kafkaInstallation(say);
    return `Kafka ${VERSION} is in ${classPath.split(":")[0]?.replace(/\/[^/]*$/, "")}`;
  });
