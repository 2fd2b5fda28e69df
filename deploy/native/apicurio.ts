/** Apicurio Registry on loopback without containers. What it knows is in memory, and ends with it: for tests and trials. */
import { join } from "node:path";
import { apicurioInstallation } from "./apicurio-install.ts";
import { freePort, type NativeProcess, startProcess } from "./process.ts";

export type NativeApicurio = {
  /** Base of Confluent's API: what SCHEMA_REGISTRY_URL takes. */
  readonly url: string;
  readonly process: NativeProcess;
  stop(): Promise<void>;
};

export type ApicurioOptions = {
  /** For its log. */
  readonly folder: string;
  /** Hears, in words for a person, what takes long. */
  readonly say?: (line: string) => void;
};

/**
 * Starts it and waits until it serves (5 s).
 * @throws ApicurioInstallFailed when it cannot be had
 * @throws NativeProcessFailed when it does not start
 */
export async function startApicurio({ folder, say }: ApicurioOptions): Promise<NativeApicurio> {
  const { java, jar } = await apicurioInstallation(say);
  const port = await freePort();
  const management = await freePort();
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const registry = await startProcess({
    name: "Apicurio Registry",
    command: java,
    args: [
      ...["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true"],
      // Both listeners: by default they are on every address.
      ...["-Dquarkus.http.host=127.0.0.1", `-Dquarkus.http.port=${port}`],
      ...["-Dquarkus.management.host=127.0.0.1", `-Dquarkus.management.port=${management}`],
      ...["-jar", jar],
    ],
    logFile: join(folder, "apicurio.log"),
    ready: async () => (await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(2_000) })).ok,
  });
  return { url, process: registry, stop: () => registry.stop() };
}
