/**
 * `node scripts/topics.ts`: makes the log's topics on Kafka, or brings their settings to what the options say; `--help`
 * lists them. Run it at each deployment. Ends with 1 when something is not as asked for and was left so.
 */
import { kafkaTrouble } from "../ports/record-log/kafka-client.ts";
import { ensureTopics, type TopicOutcome } from "../ports/record-log/topics.ts";
import { readRoleConfig } from "../role-config.ts";
import { kafkaOf } from "../role-security.ts";
import { readSecretFile } from "../secret-files.ts";

const dayMs = 86_400_000;

const read = readRoleConfig("topics", process.env, process.argv.slice(2), readSecretFile);
if (read.kind === "help") {
  process.stdout.write(read.text);
  process.exit(0);
}
if (read.kind === "problems") {
  process.stderr.write(`The topics cannot be made:\n${read.problems.map((problem) => `  - ${problem}\n`).join("")}`);
  process.exit(2);
}

const { kafkaPartitions, kafkaReplication, logRetentionDays } = read.config;
const retentionMs = logRetentionDays * dayMs;
try {
  const outcomes = await ensureTopics({
    ...kafkaOf(read.config),
    clientId: "doppel-topics",
    partitions: kafkaPartitions,
    replication: kafkaReplication,
    retentionMs: { "iot-telemetry": retentionMs, "device-events": retentionMs, "dead-letter": retentionMs },
  });
  process.stdout.write(outcomes.map(inWords).join(""));
  if (outcomes.some(({ differs }) => differs.length > 0)) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`The topics could not be made: ${kafkaTrouble(error as Error)}\n`);
  process.exit(1);
}

function inWords({ topic, did, changed, differs }: TopicOutcome): string {
  const changes = changed.map(({ name, from, to }) => `  ${name}: ${from ?? "unset"} → ${to}\n`);
  return [
    `${topic}: ${did === "nothing" ? "as it should be" : did}\n`,
    ...changes,
    ...differs.map((line) => `  ${line}\n`),
  ].join("");
}
