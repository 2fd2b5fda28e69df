/** The configuration of one broker of a small cluster on loopback (KRaft: every broker is a controller as well). */
export type KafkaNode = { id: number; port: number; controllerPort: number; securePort?: number };

/** A listener more, with TLS and SASL, on each node's `securePort`. The files are PEM. */
export type SecureListener = {
  /** Key and certificate, in one. */
  keyStore: string;
  /** Who signs the certificates of clients, which have to show one. */
  trustStore: string;
  username: string;
  password: string;
};

/** server.properties of `node`, which is one of `nodes`. Keys: Kafka 4.4 "Broker Configs". */
export function kafkaProperties(
  node: KafkaNode,
  nodes: readonly KafkaNode[],
  dataFolder: string,
  secure?: SecureListener,
): string {
  const copies = nodes.length;
  const securely = secure === undefined ? "" : `,SECURE://127.0.0.1:${node.securePort}`;
  const settings: Record<string, string | number | boolean> = {
    "process.roles": "broker,controller",
    "node.id": node.id,
    "controller.quorum.voters": nodes.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(","),
    listeners: `PLAINTEXT://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.controllerPort}${securely}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${node.port}${securely}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": `CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT${secure === undefined ? "" : ",SECURE:SASL_SSL"}`,
    "log.dirs": dataFolder,
    "auto.create.topics.enable": false,
    "default.replication.factor": copies,
    "min.insync.replicas": Math.max(1, copies - 1),
    "offsets.topic.num.partitions": 4,
    "offsets.topic.replication.factor": copies,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.replication.factor": copies,
    "transaction.state.log.min.isr": Math.max(1, copies - 1),
    "share.coordinator.state.topic.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": copies,
    "share.coordinator.state.topic.min.isr": Math.max(1, copies - 1),
    "group.initial.rebalance.delay.ms": 0,
    "log.segment.bytes": 64 * 1024 * 1024,
    "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
    // A broker that was killed is taken back only when its old session has ended.
    "broker.session.timeout.ms": copies > 1 ? 6_000 : 3_000,
    "broker.heartbeat.interval.ms": copies > 1 ? 2_000 : 500,
    ...(secure !== undefined && secureSettings(secure)),
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}

function secureSettings({ keyStore, trustStore, username, password }: SecureListener): Record<string, string> {
  const module = "org.apache.kafka.common.security";
  return Object.fromEntries(
    Object.entries({
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": keyStore,
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": trustStore,
      "ssl.client.auth": "required",
      "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
      "plain.sasl.jaas.config": `${module}.plain.PlainLoginModule required user_${username}="${password}";`,
      "scram-sha-256.sasl.jaas.config": `${module}.scram.ScramLoginModule required;`,
      "scram-sha-512.sasl.jaas.config": `${module}.scram.ScramLoginModule required;`,
    }).map(([key, value]) => [`listener.name.secure.${key}`, value]),
  );
}
