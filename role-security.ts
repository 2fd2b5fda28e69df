/** What the roles know of the services of others, with the files that their options name: read once, at the start. */

import type {
  brokerSecurityOptions,
  kafkaSecurityOptions,
  redisSecurityOptions,
  registrySecurityOptions,
} from "./connection-options.ts";
import type { ConfigOf } from "./options.ts";
import type { KafkaOptions } from "./ports/record-log/kafka-client.ts";
import type { RedisAccess } from "./ports/redis/access.ts";
import type { ConfluentOptions } from "./ports/schema-registry/confluent.ts";
import { type ClientTls, readClientTls } from "./ports/tls/client.ts";

/** @throws TlsFileUnfit as the others here */
export function kafkaOf(
  config: ConfigOf<typeof kafkaSecurityOptions> & { readonly kafkaBrokers: readonly string[] },
): Pick<KafkaOptions, "brokers" | "tls" | "sasl"> {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUsername: username, kafkaSaslPassword: password } = config;
  const tls = readClientTls({
    ca: { option: "KAFKA_CA_FILE", path: config.kafkaCaFile },
    cert: { option: "KAFKA_CERT_FILE", path: config.kafkaCertFile },
    key: { option: "KAFKA_KEY_FILE", path: config.kafkaKeyFile },
  });
  const wanted = config.kafkaTls === "yes" || Object.keys(tls).length > 0;
  return {
    brokers: config.kafkaBrokers,
    ...(wanted && { tls }),
    ...(mechanism !== "none" && { sasl: { mechanism, username, password } }),
  };
}

export function redisOf(config: ConfigOf<typeof redisSecurityOptions> & { readonly redisUrl: string }): RedisAccess {
  const tls = readClientTls({ ca: { option: "REDIS_CA_FILE", path: config.redisCaFile } });
  return { url: config.redisUrl, tls, password: config.redisPassword };
}

export function registryOf(
  config: ConfigOf<typeof registrySecurityOptions> & { readonly schemaRegistryUrl: string },
): ConfluentOptions {
  const { ca } = readClientTls({ ca: { option: "SCHEMA_REGISTRY_CA_FILE", path: config.schemaRegistryCaFile } });
  return { url: config.schemaRegistryUrl, ...(ca !== undefined && { ca }) };
}

export type BrokerAccess = {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly tls: ClientTls;
};

export function brokerOf(
  config: ConfigOf<typeof brokerSecurityOptions> & {
    readonly mqttUrl: string;
    readonly mqttUsername: string;
    readonly mqttPassword: string;
  },
): BrokerAccess {
  const tls = readClientTls({
    ca: { option: "MQTT_CA_FILE", path: config.mqttCaFile },
    cert: { option: "MQTT_CERT_FILE", path: config.mqttCertFile },
    key: { option: "MQTT_KEY_FILE", path: config.mqttKeyFile },
  });
  return { url: config.mqttUrl, username: config.mqttUsername, password: config.mqttPassword, tls };
}
