/**
 * How the roles reach the services of others: TLS, users and passwords, in one place, as every role that speaks to a
 * service reads the same of it. role-security.ts reads the files that are named here.
 */
import { oneOf, orNothing, text } from "./option-values.ts";
import { type ConfigOf, option, secretOption } from "./options.ts";

const file = orNothing(text);

export const kafkaSecurityOptions = {
  kafkaTls: option("KAFKA_TLS", "auto", oneOf("auto", "yes"), "TLS to Kafka; auto: when a file for it is named"),
  kafkaCaFile: option("KAFKA_CA_FILE", "", file, "PEM file of who signed Kafka's certificates; none: whom Node trusts"),
  kafkaCertFile: option("KAFKA_CERT_FILE", "", file, "PEM file of our certificate there"),
  kafkaKeyFile: option("KAFKA_KEY_FILE", "", file, "PEM file of its key"),
  kafkaSaslMechanism: option(
    "KAFKA_SASL_MECHANISM",
    "none",
    oneOf("none", "plain", "scram-sha-256", "scram-sha-512"),
    "how we say to Kafka who we are",
  ),
  kafkaSaslUsername: option("KAFKA_SASL_USERNAME", "", file, "user name there"),
  kafkaSaslPassword: secretOption("KAFKA_SASL_PASSWORD", "password there"),
};

export const registrySecurityOptions = {
  schemaRegistryCaFile: option("SCHEMA_REGISTRY_CA_FILE", "", file, "PEM file of who signed its certificate"),
};

export const redisSecurityOptions = {
  redisCaFile: option("REDIS_CA_FILE", "", file, "PEM file of who signed the certificate of rediss://"),
  redisPassword: secretOption("REDIS_PASSWORD", "password there; a user name is in the URL"),
};

export const brokerSecurityOptions = {
  mqttCaFile: option("MQTT_CA_FILE", "", file, "PEM file of who signed the certificate of mqtts://"),
  mqttCertFile: option("MQTT_CERT_FILE", "", file, "PEM file of our certificate there"),
  mqttKeyFile: option("MQTT_KEY_FILE", "", file, "PEM file of its key"),
};

type Security = Partial<
  ConfigOf<typeof kafkaSecurityOptions> &
    ConfigOf<typeof registrySecurityOptions> &
    ConfigOf<typeof redisSecurityOptions> &
    ConfigOf<typeof brokerSecurityOptions>
>;

export type SecurityValues = Security & {
  readonly mqttUrl?: string;
  readonly redisUrl?: string;
  readonly schemaRegistryUrl?: string;
};

/** What is of use only together. That the files fit is seen when they are read. */
export function securityProblems(values: SecurityValues): string[] {
  const problems: string[] = [];
  const together = (one: unknown, other: unknown, names: string) => {
    if (Boolean(one) !== Boolean(other)) problems.push(`${names} belong together: set both, or none.`);
  };
  together(values.kafkaCertFile, values.kafkaKeyFile, "KAFKA_CERT_FILE and KAFKA_KEY_FILE");
  together(values.mqttCertFile, values.mqttKeyFile, "MQTT_CERT_FILE and MQTT_KEY_FILE");

  const { kafkaSaslMechanism = "none", kafkaSaslUsername, kafkaSaslPassword } = values;
  const known = [kafkaSaslUsername, kafkaSaslPassword].filter(Boolean).length;
  if (kafkaSaslMechanism === "none" ? known > 0 : known < 2)
    problems.push(
      `KAFKA_SASL_MECHANISM is ${kafkaSaslMechanism}, and of KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD ${["none", "one", "both"][known]} is set: set all three, or none.`,
    );

  const over = (url: string | undefined, scheme: string, name: string, files: Record<string, unknown>) => {
    const given = Object.keys(files).filter((file) => files[file]);
    if (url !== undefined && !url.startsWith(`${scheme}:`) && given.length > 0)
      problems.push(`${given.join(" and ")} is of no use without TLS: ${name} has to begin with ${scheme}://.`);
  };
  over(values.mqttUrl, "mqtts", "MQTT_URL", { MQTT_CA_FILE: values.mqttCaFile, MQTT_CERT_FILE: values.mqttCertFile });
  over(values.redisUrl, "rediss", "REDIS_URL", { REDIS_CA_FILE: values.redisCaFile });
  over(values.schemaRegistryUrl, "https", "SCHEMA_REGISTRY_URL", {
    SCHEMA_REGISTRY_CA_FILE: values.schemaRegistryCaFile,
  });
  if (values.mqttUrl !== undefined && new URL(values.mqttUrl).password !== "")
    problems.push("MQTT_URL holds a password, and URLs are logged: set MQTT_USERNAME and MQTT_PASSWORD instead.");
  return problems;
}
