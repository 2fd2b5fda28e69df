/**
 * `npm run replay`: what the log still has, once more through a sink, whether Doppel runs or not. See docs/replay.md.
 * Ends with 0 when it is done, 130 when it was stopped, 1 when it failed, 2 when it was asked wrongly.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readConfig } from "../config.ts";
import { openPostgresLogReader } from "../ports/event-log/postgres.ts";
import { openPool } from "../ports/postgres/pool.ts";
import { openRecordReader } from "../ports/record-codec/codec.ts";
import { openKafkaSource } from "../ports/record-log/kafka-source.ts";
import { readRoleConfig } from "../role-config.ts";
import { roleSchemas } from "../role-parts.ts";
import { kafkaOf } from "../role-security.ts";
import { readSecretFile } from "../secret-files.ts";
import { openDisplay } from "../sinks/replay/bar.ts";
import { embeddedReplayLog, kafkaReplayLog, type ReplayLog } from "../sinks/replay/log.ts";
import { openReplay, type ReplaySink, replaySinks } from "../sinks/replay/open.ts";
import { type Position, positionOf } from "../sinks/replay/position.ts";
import { runReplay } from "../sinks/replay/run.ts";
import { type SinksSettings, sinksSettingsOf } from "../sinks/settings.ts";
import { openDatabase } from "./database.ts";

const usage = `npm run replay -- --sink ${replaySinks.join("|")} [options]

Reads the log again and rebuilds what a sink makes of it, in its place without duplicates or in a new one.

  --from POSITION   where to begin: earliest, an offset, or a time such as 2026-11-21 or 2026-11-21T12:00:00Z (earliest)
  --to POSITION     where to end, as above: latest is the log's end at the first start (latest)
  --into NAME       a new place: a schema of the database, and a folder of the archive, of that name
  --anew            begins again; without it, a replay that was stopped goes on where it was
  --mode MODE       embedded or distributed (distributed where KAFKA_BROKERS is set, else embedded)

The log and the database are those of npm start (DOPPEL_DATA_DIR or DATABASE_URL), or of the sinks role (KAFKA_BROKERS,
DATABASE_URL). Ctrl-C stops after the batch under way; the same command goes on from there.
`;

type Asked = {
  readonly sink: ReplaySink;
  readonly from: Position;
  readonly to: Position;
  readonly words: { readonly from: string; readonly to: string };
  readonly into: string | null;
  readonly anew: boolean;
  readonly mode: "embedded" | "distributed";
};

type System = {
  readonly databaseUrl: string;
  readonly settings: SinksSettings;
  readonly openLog: (pool: ReturnType<typeof openPool>) => { readonly log: ReplayLog; close(): Promise<void> };
  close(): Promise<void>;
};

const asked = readAsked(process.argv.slice(2));
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    process.stderr.write("\nStopping after the batch under way…\n");
    stopping.abort();
  });
process.exitCode = await replay(asked).catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  return 1;
});

async function replay({ sink, into, anew, from, to, words, mode }: Asked): Promise<number> {
  const system = mode === "embedded" ? await embeddedSystem() : distributedSystem();
  const pool = openPool(system.databaseUrl, { max: 4, name: "doppel-replay" });
  const display = openDisplay({
    terminal: process.stderr.isTTY === true,
    write: (line) => void process.stderr.write(line),
    now: () => performance.now(),
  });
  try {
    const { databaseUrl, settings } = system;
    if (mode === "embedded") await checkHasLog(pool);
    const opened = await openReplay({ sink, into, words, anew, pool, databaseUrl, settings });
    const { log, close } = system.openLog(pool);
    try {
      const { work, progress } = opened;
      const outcome = await runReplay({
        ...{ log, work, progress, from, to, words, stop: stopping.signal },
        onProgress: (report) => display.show(report),
      });
      display.end();
      if (outcome.kind === "stopped") {
        process.stdout.write(`Stopped after ${outcome.done} of ${outcome.total} records. The same command goes on.\n`);
        return 130;
      }
      process.stdout.write(`Done: ${outcome.total} records. ${outcome.summary}\n`);
      return 0;
    } finally {
      await close();
      await opened.close();
    }
  } finally {
    display.end();
    await pool.end();
    await system.close();
  }
}

/** The embedded database is started for the while if Doppel does not run. */
async function embeddedSystem(): Promise<System> {
  const read = readConfig(process.env, [], readSecretFile);
  if (read.kind !== "config") return refuse(read.kind === "problems" ? read.problems.join("\n") : usage);
  const { config } = read;
  const archive =
    config.archive === "off" ? null : config.archive === "auto" ? join(config.dataDir, "archive") : config.archive;
  if (config.databaseUrl === "" && !existsSync(join(config.dataDir, "postgres")))
    return refuse(`There is no database in ${config.dataDir}: set DOPPEL_DATA_DIR or DATABASE_URL as for npm start.`);
  const database = await openDatabase(config);
  return {
    databaseUrl: database.url,
    settings: sinksSettingsOf(config, archive),
    openLog: (pool) => ({ log: embeddedReplayLog(openPostgresLogReader(pool)), close: async () => {} }),
    close: database.close,
  };
}

function distributedSystem(): System {
  const read = readRoleConfig("sinks", process.env, [], readSecretFile);
  if (read.kind !== "config") return refuse(read.kind === "problems" ? read.problems.join("\n") : usage);
  const { config } = read;
  return {
    databaseUrl: config.databaseUrl,
    settings: sinksSettingsOf(config, config.archive === "off" ? null : config.archive),
    openLog(pool) {
      const tell = (error: Error) => void process.stderr.write(`Kafka: ${error.message}\n`);
      const clientId = `doppel-replay-${process.pid}-${Date.now().toString(36)}`;
      const codec = openRecordReader(roleSchemas(config, pool));
      const source = openKafkaSource({ ...kafkaOf(config), clientId, codec, onTrouble: tell });
      return { log: kafkaReplayLog(source, clientId, tell), close: () => source.close() };
    },
    close: async () => {},
  };
}

async function checkHasLog(pool: ReturnType<typeof openPool>): Promise<void> {
  const { rows } = await pool.query("select to_regclass('log') as log");
  if (rows[0].log === null)
    throw new Error(
      "This database has no log of the embedded mode. Of Kafka's: --mode distributed, with KAFKA_BROKERS.",
    );
}

function readAsked(argv: string[]): Asked {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        sink: { type: "string" },
        from: { type: "string", default: "earliest" },
        to: { type: "string", default: "latest" },
        into: { type: "string" },
        anew: { type: "boolean", default: false },
        mode: { type: "string", default: process.env.KAFKA_BROKERS ? "distributed" : "embedded" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help === true) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const sink = replaySinks.find((name) => name === values.sink);
    if (sink === undefined)
      return refuse(`--sink is "${values.sink ?? ""}" but needs one of ${replaySinks.join(", ")}.`);
    const { mode, into = null, anew } = values;
    if (mode !== "embedded" && mode !== "distributed")
      return refuse(`--mode is "${mode}" but needs embedded or distributed.`);
    const [from, to] = [read("--from", values.from), read("--to", values.to)];
    return { sink, from, to, words: { from: values.from, to: values.to }, into, anew, mode };
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function read(flag: string, text: string): Position {
  return (
    positionOf(text) ??
    refuse(`${flag} is "${text}" but needs earliest, latest, an offset, or a time such as 2026-11-21T12:00:00Z.`)
  );
}

function refuse(problem: string): never {
  process.stderr.write(`${problem}\nSee --help.\n`);
  process.exit(2);
}
