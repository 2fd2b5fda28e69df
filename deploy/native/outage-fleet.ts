/**
 * A handful of devices that never stop, and what they see: each second a telemetry message and half a second later a
 * shadow update, with MQTT.js, which sends again what was not acknowledged.
 */
import mqtt, { type MqttClient } from "mqtt";

/** How long things took from their beginning to their end; times in ms, by a clock that only goes forward. */
export class Waits {
  readonly #now: () => number;
  readonly #open = new Map<string, number>();
  #longestMs = 0;
  #newestBegunMs = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  begin(key: string): void {
    this.#open.set(key, this.#now());
  }

  end(key: string): void {
    const begunMs = this.#open.get(key);
    if (begunMs === undefined) return;
    this.#open.delete(key);
    this.#newestBegunMs = Math.max(this.#newestBegunMs, begunMs);
    this.#longestMs = Math.max(this.#longestMs, this.#now() - begunMs);
  }

  /** Begun before `beforeMs` and not ended. */
  open(beforeMs = Number.POSITIVE_INFINITY): number {
    return [...this.#open.values()].filter((begunMs) => begunMs < beforeMs).length;
  }

  /** Of those that ended, the latest beginning. */
  get newestBegunMs(): number {
    return this.#newestBegunMs;
  }

  /** Of those that ended. */
  get longestMs(): number {
    return this.#longestMs;
  }
}

export type Device = {
  readonly id: string;
  /** Telemetry, until the PUBACK. */
  readonly acknowledgements: Waits;
  /** Shadow updates, until the answer. */
  readonly answers: Waits;
  /** Values of the metric `n` whose messages were acknowledged. */
  readonly acknowledged: ReadonlySet<number>;
  stop(): Promise<void>;
};

/** Connects the device; it sends until it is stopped. Ids must be new: what is counted begins with them. */
export async function startDevice(id: string, mqttUrl: string): Promise<Device> {
  const client = await mqtt.connectAsync(mqttUrl, { clientId: id, reconnectPeriod: 500, connectTimeout: 5_000 });
  client.on("error", () => {}); // it connects again
  const acknowledgements = new Waits();
  const answers = new Waits();
  const acknowledged = new Set<number>();
  const shadow = `$aws/things/${id}/shadow/update`;
  client.on("message", (_topic, payload) => answers.end(JSON.parse(payload.toString()).clientToken ?? ""));
  await client.subscribeAsync([`${shadow}/accepted`, `${shadow}/rejected`], { qos: 1 });
  let number = 0;
  const measure = () => {
    number += 1;
    const n = number;
    acknowledgements.begin(String(n));
    publish(client, `devices/${id}/telemetry`, { boot: id, seq: n, readings: { n } }, () => {
      acknowledgements.end(String(n));
      acknowledged.add(n);
    });
  };
  const report = () => {
    const n = number;
    answers.begin(String(n));
    publish(client, shadow, { state: { reported: { n } }, clientToken: String(n) }, () => {});
  };
  let half = 0;
  const timer = setInterval(() => {
    half += 1;
    if (half % 2 === 1) measure();
    else report();
  }, 500);
  return {
    ...{ id, acknowledgements, answers, acknowledged },
    stop() {
      clearInterval(timer);
      return client.endAsync(true);
    },
  };
}

function publish(client: MqttClient, topic: string, body: object, done: () => void): void {
  client.publishAsync(topic, JSON.stringify(body), { qos: 1 }).then(done, () => {});
}
