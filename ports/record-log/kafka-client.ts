/** What our Kafka producers, consumers and admins share: names, timeouts, codecs, and kafkajs's words in our log. */
import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import kafkajs, { type Kafka, type RetryOptions, type SASLOptions } from "kafkajs"; // CommonJS: Node finds its values only as the default
import type { Logger } from "pino";
import type { ClientTls } from "../tls/client.ts";
import { mendRequestTimers } from "./kafkajs-timers.ts";
import { type LogTopic, logTopics } from "./port.ts";

export type KafkaOptions = {
  /** host:port of some brokers; they tell of the others. */
  readonly brokers: readonly string[];
  /** Names us in the brokers' logs and quotas. */
  readonly clientId: string;
  /** TLS is spoken. */
  readonly tls?: ClientTls;
  /** How we say who we are. */
  readonly sasl?: KafkaSasl;
  /** Goes before the topics' names, for a cluster that is shared with others. */
  readonly prefix?: string;
  readonly logger?: KafkaLogger;
};

export type KafkaSasl = {
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  readonly username: string;
  readonly password: string;
};

export type KafkaLogger = Pick<Logger, "debug">;

/**
 * Within one call of kafkajs; our own loops go on after it, for as long as it takes. Short, because kafkajs clings to a
 * broker that died: what begins anew finds the living ones.
 */
export const shortRetry: RetryOptions = {
  initialRetryTime: 50,
  maxRetryTime: 250,
  factor: 0.2,
  multiplier: 2,
  retries: 2,
};

export function openKafkaClient({ brokers, clientId, tls, sasl, logger }: KafkaOptions): Kafka {
  mendRequestTimers();
  // Anyone may write with zstd, so every reader must know it.
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => zstd;
  return new kafkajs.Kafka({
    brokers: [...brokers],
    clientId,
    ...(tls !== undefined && { ssl: tls }),
    ...(sasl !== undefined && { sasl: sasl as SASLOptions }),
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: shortRetry,
    logLevel: kafkajs.logLevel.INFO,
    logCreator: () => (entry) => {
      const { message, timestamp: _, logger: __, ...fields } = entry.log;
      if (/Limiting retries for the idempotent producer/.test(message)) return; // group-commit.ts sends again
      logger?.debug(fields, `Kafka client: ${message}`); // what matters reaches us as an error, too
    },
  });
}

export function kafkaTopic(topic: LogTopic, prefix = ""): string {
  return `${prefix}${topic}`;
}

/** Our topic of a Kafka topic's name; null: it is none of ours. */
export function logTopicOf(kafkaName: string, prefix = ""): LogTopic | null {
  return logTopics.find((topic) => kafkaTopic(topic, prefix) === kafkaName) ?? null;
}

/** kafkajs wraps errors in errors: the words of Kafka's own code ("OUT_OF_ORDER_SEQUENCE_NUMBER"), if there is one. */
export function kafkaCode(error: unknown): string | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("type" in at && typeof at.type === "string") return at.type;
  }
  return null;
}

/** What is told to the operator: what it hangs on, where that is a matter of options. */
export function kafkaTrouble(error: Error): string {
  const chain: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) chain.push(`${at.name} ${at.message}`);
  const said = chain.join(" ");
  if (/SASL/.test(said))
    return `${error.message}. Look at KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.`;
  if (/certificate|altname|SSL|TLS/i.test(said))
    return `${error.message}. Look at KAFKA_TLS, KAFKA_CA_FILE, KAFKA_CERT_FILE and KAFKA_KEY_FILE.`;
  return error.message;
}

/** What no repetition can cure: somebody has to change rights, names or versions. */
export function isFinal(error: unknown): boolean {
  const code = kafkaCode(error) ?? "";
  return /AUTHORIZATION_FAILED|SASL|UNSUPPORTED_VERSION|INVALID_GROUP_ID|INCONSISTENT_GROUP_PROTOCOL/.test(code);
}

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
const zstd = {
  compress: ({ buffer }: { buffer: Buffer }) =>
    compress(buffer, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  decompress: (buffer: Buffer) => decompress(buffer),
};
