/** An S3 server on loopback without containers: S3Proxy over a folder. It knows no lifecycle. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, type NativeProcess, startProcess } from "./process.ts";
import { s3ProxyJar } from "./s3proxy-install.ts";

export type NativeS3 = {
  /** http://127.0.0.1:port */
  endpoint: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  /** restart() puts the new process in its place. */
  process: NativeProcess;
  /** Starts it again on its data and port, after ending it if it still runs. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

/** Of a server that only this machine reaches. */
const credentials = { accessKeyId: "doppel", secretAccessKey: "doppel-secret" };

/**
 * The folder holds what it stores (a folder per bucket) and its log; a later start on it goes on with the same data.
 * @throws S3ProxyInstallFailed when Maven is missing
 * @throws NativeProcessFailed when it does not start
 */
export async function startS3({ folder, say }: { folder: string; say?: (line: string) => void }): Promise<NativeS3> {
  const jar = await s3ProxyJar(say);
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const data = join(folder, "buckets");
  mkdirSync(data, { recursive: true });
  const properties = join(folder, "s3proxy.properties");
  const settings = {
    "s3proxy.endpoint": endpoint,
    "s3proxy.authorization": "aws-v2-or-v4",
    "s3proxy.identity": credentials.accessKeyId,
    "s3proxy.credential": credentials.secretAccessKey,
    "jclouds.provider": "filesystem-nio2",
    "jclouds.filesystem.basedir": data,
  };
  writeFileSync(
    properties,
    Object.entries(settings)
      .map((entry) => `${entry.join("=")}\n`)
      .join(""),
  );
  const start = () =>
    startProcess({
      name: "S3Proxy",
      command: "java",
      args: ["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", jar, "--properties", properties],
      logFile: join(folder, "s3proxy.log"),
      ready: async () => (await fetch(endpoint)).status < 500,
    });
  const s3: NativeS3 = {
    endpoint,
    credentials,
    process: await start(),
    restart: async () => {
      await s3.process.stop();
      s3.process = await start();
    },
    stop: () => s3.process.stop(),
  };
  return s3;
}
