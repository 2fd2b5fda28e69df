/**
 * `node scripts/topics.ts`: makes the log's topics on Kafka, or brings their settings to what is asked for. Run it at
 * each deployment. Ends with 1 when something is not as asked for and was left so.
 */
import { parseArgs } from "node:util";
import { ensureTopics, type TopicOutcome } from "../ports/record-log/topics.ts";

const usage = `node scripts/topics.ts --brokers HOST:PORT[,HOST:PORT…]
  --partitions N                 8; never changed afterwards: devices would lose their records' order
  --replication N                1; 3 where there are three brokers or more
  --min-in-sync N                replicas that must have a record before it counts; 2 with replication 3, else 1
  --retention-days N             7; of all topics, and for one of them:
  --telemetry-retention-days N  --events-retention-days N  --dead-letter-retention-days N
  --prefix TEXT                  goes before the topics' names, on a cluster shared with others

KAFKA_BROKERS, DOPPEL_KAFKA_PARTITIONS, DOPPEL_KAFKA_REPLICATION and DOPPEL_LOG_RETENTION_DAYS are taken when the options
are not there.
`;

const { values } = parseOrEnd();
if (values.help) end(usage, 0);

const brokers = (values.brokers ?? process.env.KAFKA_BROKERS ?? "").split(",").filter((broker) => broker !== "");
if (brokers.length === 0 || !brokers.every((broker) => /^[^:\s]+:\d+$/.test(broker)))
  end(`--brokers is "${brokers}" but needs host:port, e.g. 127.0.0.1:9092.\n\n${usage}`, 2);
const days = whole("retention-days", process.env.DOPPEL_LOG_RETENTION_DAYS ?? "7");
const replication = whole("replication", process.env.DOPPEL_KAFKA_REPLICATION ?? "1");

try {
  const outcomes = await ensureTopics({
    brokers,
    clientId: "doppel-topics",
    prefix: values.prefix ?? "",
    partitions: whole("partitions", process.env.DOPPEL_KAFKA_PARTITIONS ?? "8"),
    replication,
    ...(values["min-in-sync"] === undefined ? {} : { minInSync: whole("min-in-sync", "") }),
    retentionMs: {
      "iot-telemetry": inMs(whole("telemetry-retention-days", String(days))),
      "device-events": inMs(whole("events-retention-days", String(days))),
      "dead-letter": inMs(whole("dead-letter-retention-days", String(days))),
    },
  });
  process.stdout.write(outcomes.map(inWords).join(""));
  if (outcomes.some(({ differs }) => differs.length > 0)) process.exitCode = 1;
} catch (error) {
  end(`The topics could not be made: ${(error as Error).message}\n`, 1);
}

function inWords({ topic, did, changed, differs }: TopicOutcome): string {
  const changes = changed.map(({ name, from, to }) => `  ${name}: ${from ?? "unset"} → ${to}\n`);
  return [
    `${topic}: ${did === "nothing" ? "as it should be" : did}\n`,
    ...changes,
    ...differs.map((line) => `  ${line}\n`),
  ].join("");
}

type Option = keyof typeof values;

function whole(option: Option, otherwise: string): number {
  const text = values[option] ?? otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) end(`--${option} is "${text}" but needs a whole number from 1 on.\n`, 2);
  return value;
}

function inMs(wholeDays: number): number {
  return wholeDays * 86_400_000;
}

function parseOrEnd() {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      options: {
        brokers: text,
        partitions: text,
        replication: text,
        "min-in-sync": text,
        "retention-days": text,
        "telemetry-retention-days": text,
        "events-retention-days": text,
        "dead-letter-retention-days": text,
        prefix: text,
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    return end(`${(error as Error).message}\n\n${usage}`, 2);
  }
}

function end(words: string, code: number): never {
  (code === 0 ? process.stdout : process.stderr).write(words);
  process.exit(code);
}
