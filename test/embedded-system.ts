/** The embedded system in this process, on free ports and a fresh database. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pino } from "pino";
import { type Config, readConfig } from "../config.ts";
import { testDatabase } from "../ports/postgres/testing.ts";
import { run } from "../run.ts";
import type { Settings, TestSystem } from "./harness.ts";

const errorLevel = 50;

export async function startEmbedded(settings: Settings): Promise<TestSystem> {
  const database = await testDatabase();
  const archive = mkdtempSync(join(tmpdir(), "doppel-archive-"));
  const config: Config = {
    ...defaults(),
    host: "127.0.0.1",
    mqttPort: 0,
    mqttWsPort: 0,
    mqttsPort: 0,
    mqttWssPort: 0,
    httpsPort: 0,
    httpPort: 0,
    databaseUrl: database.url,
    archive,
    checkpointSeconds: 1,
    ...settings,
  };
  const lines: string[] = [];
  const log = new Writable({
    write(chunk, _encoding, done) {
      const line = String(chunk);
      lines.push(line);
      if (JSON.parse(line).level >= errorLevel) process.stderr.write(line);
      done();
    },
  });
  const logger = pino({ level: settings.logLevel ?? "error" }, log);
  const start = () => run({ config, logger, say: () => {} });
  let running = await start();
  return {
    get httpUrl() {
      return `http://127.0.0.1:${running.httpPort}`;
    },
    get mqttUrl() {
      return `mqtt://127.0.0.1:${running.mqttPort}`;
    },
    get mqttPort() {
      return running.mqttPort;
    },
    get wsUrl() {
      return `ws://127.0.0.1:${running.mqttWsPort}/mqtt`;
    },
    get tls() {
      const { tls } = running;
      if (tls === null) return null;
      const at = (scheme: string, port: number) => `${scheme}://localhost:${port}`;
      return {
        mqttsPort: tls.mqttsPort,
        mqttsUrl: at("mqtts", tls.mqttsPort),
        wssUrl: `${at("wss", tls.mqttWssPort)}/mqtt`,
        httpsUrl: at("https", tls.httpsPort),
      };
    },
    databaseUrl: database.url,
    metrics: async () => (await fetch(`http://127.0.0.1:${running.httpPort}/metrics`)).text(),
    logged: () => lines.join(""),
    async restart(meanwhile) {
      await running.close();
      await meanwhile?.();
      running = await start();
    },
    async close() {
      await running.close();
      await database.close();
      rmSync(archive, { recursive: true, force: true });
    },
  };
}

function defaults(): Config {
  const read = readConfig({}, []);
  if (read.kind !== "config") throw new Error("the defaults are no configuration");
  return read.config;
}
