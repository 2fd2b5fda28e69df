/**
 * The log's topics as they should be. Idempotent: run it at each deployment.
 * It never adds partitions to a topic with records: a device's key would then lead to another partition, and its order
 * would be lost (R2). Change the number with a new prefix, or when the topics are empty.
 */
import kafkajs, { type Admin } from "kafkajs";
import { pause, pauseAfter } from "./back-off.ts";
import { type KafkaOptions, kafkaTopic, openKafkaClient } from "./kafka-client.ts";
import { maxMessageBytes } from "./kafka-publisher.ts";
import { type LogTopic, logTopics } from "./port.ts";

export type TopicsWanted = {
  readonly partitions: number;
  readonly replication: number;
  readonly retentionMs: Readonly<Record<LogTopic, number>>;
  /** Replicas that must have a record before it counts; by default 2 of 3 or more, else 1. */
  readonly minInSync?: number;
};

/** What was done with one topic. */
export type TopicOutcome = {
  readonly topic: string;
  readonly did: "created" | "altered" | "nothing";
  /** Settings that were changed, as Kafka names them. */
  readonly changed: readonly { readonly name: string; readonly from: string | null; readonly to: string }[];
  /** What is not as wanted and was left so: sentences for the operator. */
  readonly differs: readonly string[];
};

export async function ensureTopics(options: KafkaOptions & TopicsWanted): Promise<TopicOutcome[]> {
  const admin = openKafkaClient(options).admin();
  await admin.connect();
  try {
    const outcomes: TopicOutcome[] = [];
    for (const topic of logTopics) outcomes.push(await onceKnown(() => ensureTopic(admin, topic, options)));
    return outcomes;
  } finally {
    await admin.disconnect();
  }
}

/** A busy cluster has made a topic some time before each of its brokers knows of it. */
async function onceKnown(ensure: () => Promise<TopicOutcome>): Promise<TopicOutcome> {
  const { signal } = new AbortController();
  for (let failures = 1; ; failures += 1) {
    try {
      return await ensure();
    } catch (error) {
      if ((error as { type?: string }).type !== "UNKNOWN_TOPIC_OR_PARTITION" || failures === mostTries) throw error;
      await pause(pauseAfter(failures, { firstMs: 100, maxMs: 2_000 }), signal);
    }
  }
}

const mostTries = 10;

async function ensureTopic(admin: Admin, of: LogTopic, options: KafkaOptions & TopicsWanted): Promise<TopicOutcome> {
  const { partitions, replication } = options;
  const topic = kafkaTopic(of, options.prefix);
  const settings = settingsOf(of, options);
  const created = await admin.createTopics({
    waitForLeaders: false, // kafkajs gives up when a broker has not heard of the topic yet
    topics: [
      {
        topic,
        numPartitions: partitions,
        replicationFactor: replication,
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
      },
    ],
  });
  if (created) {
    await untilLed(admin, topic);
    return { topic, did: "created", changed: [], differs: [] };
  }
  const changed = await alterSettings(admin, topic, settings);
  const differs = await differences(admin, topic, options);
  return { topic, did: changed.length > 0 ? "altered" : "nothing", changed, differs };
}

/** A new topic is known to its brokers, and led, a moment after it was made. */
async function untilLed(admin: Admin, topic: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await admin.fetchTopicMetadata({ topics: [topic] });
      return;
    } catch (error) {
      if (tries === ledTries) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, ledPauseMs));
  }
}

const ledTries = 50;
const ledPauseMs = 100;

function settingsOf(topic: LogTopic, { replication, retentionMs, minInSync }: TopicsWanted): Record<string, string> {
  return {
    "cleanup.policy": "delete",
    "retention.ms": String(retentionMs[topic]),
    "min.insync.replicas": String(minInSync ?? (replication >= 3 ? 2 : 1)),
    "max.message.bytes": String(maxMessageBytes),
  };
}

async function alterSettings(
  admin: Admin,
  topic: string,
  settings: Record<string, string>,
): Promise<TopicOutcome["changed"]> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic }],
  });
  const entries = resources[0]?.configEntries ?? [];
  const now = new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
  const changed = Object.entries(settings)
    .filter(([name, value]) => now.get(name) !== value)
    .map(([name, to]) => ({ name, from: now.get(name) ?? null, to }));
  if (changed.length > 0) {
    // This request replaces all of the topic's own settings: an operator's others go along.
    const own = entries.filter(isTopicsOwn).map(({ configName, configValue }) => [configName, configValue]);
    const all: Record<string, string> = { ...Object.fromEntries(own), ...settings };
    await admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: topic,
          configEntries: Object.entries(all).map(([name, value]) => ({ name, value })),
        },
      ],
    });
  }
  return changed;
}

/** Kafka protocol, DescribeConfigs: source 1 is DYNAMIC_TOPIC_CONFIG. kafkajs types it as something else. */
function isTopicsOwn(entry: object): boolean {
  return Number((entry as { configSource?: unknown }).configSource) === 1;
}

async function differences(admin: Admin, topic: string, { partitions, replication }: TopicsWanted): Promise<string[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  const found = topics[0]?.partitions ?? [];
  const differs: string[] = [];
  if (found.length !== partitions)
    differs.push(
      `${topic} has ${found.length} partitions, not ${partitions}. It was left so: devices would change their ` +
        `partition and their records' order would be lost. Set the number of partitions to ${found.length}.`,
    );
  const replicas = Math.min(...found.map((partition) => partition.replicas.length));
  if (replicas !== replication)
    differs.push(
      `${topic} has ${replicas} replicas, not ${replication}. It was left so: use kafka-reassign-partitions.`,
    );
  return differs;
}
