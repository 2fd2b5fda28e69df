/** Devices and apps that ask for one thing over and over, and remember when they were answered. Times: `performance.now()`. */
import { setTimeout as sleep } from "node:timers/promises";
import mqtt, { type MqttClient } from "mqtt";

export type Probe = {
  /** When answers came, ascending. */
  readonly answeredAt: readonly number[];
  /** Of answered questions: how long each took, and when it was answered. */
  readonly waits: readonly { readonly ms: number; readonly at: number }[];
  /** When questions were asked that have no answer, or an error for one. */
  unanswered(): readonly number[];
  /** When answers came that only say that too much is asked already. */
  readonly refusedAt: readonly number[];
  close(): Promise<void>;
};

/** Asks for its shadow over MQTT, whether the last question is answered or not. Only `accepted` is an answer. */
export async function openDeviceProbe(url: string, device: string, everyMs: number): Promise<Probe> {
  const client = await mqtt.connectAsync(url, { clientId: device, reconnectPeriod: 100 });
  const topic = `$aws/things/${device}/shadow`;
  const answeredAt: number[] = [];
  const waits: { ms: number; at: number }[] = [];
  const refusedAt: number[] = [];
  const asked = new Map<string, number>();
  client.on("message", (answered, body) => {
    const { clientToken } = JSON.parse(body.toString()) as { clientToken?: string };
    const since = asked.get(clientToken ?? "");
    if (since === undefined) return;
    asked.delete(clientToken!);
    const at = performance.now();
    if (answered.endsWith("/rejected")) {
      refusedAt.push(at);
      return;
    }
    answeredAt.push(at);
    waits.push({ ms: at - since, at });
  });
  await client.subscribeAsync([`${topic}/get/accepted`, `${topic}/get/rejected`], { qos: 1 });
  await madeShadow(client, topic);
  let questions = 0;
  const timer = setInterval(() => {
    const clientToken = String(++questions);
    asked.set(clientToken, performance.now());
    client.publish(`${topic}/get`, JSON.stringify({ clientToken }), { qos: 1 });
  }, everyMs);
  return {
    answeredAt,
    waits,
    refusedAt,
    unanswered: () => [...asked.values()],
    async close() {
      clearInterval(timer);
      await client.endAsync(true);
    },
  };
}

async function madeShadow(client: MqttClient, topic: string): Promise<void> {
  await client.publishAsync(`${topic}/update`, '{"state":{"reported":{"valve":"open"}}}', { qos: 1 });
}

/** Reads a URL, one request after the other, each `everyMs` after the last. */
export function openReadProbe(url: string, everyMs: number): Probe {
  const answeredAt: number[] = [];
  const waits: { ms: number; at: number }[] = [];
  const failedAt: number[] = [];
  const closing = new AbortController();
  const done = (async () => {
    while (!closing.signal.aborted) {
      const since = performance.now();
      try {
        const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(readTimeoutMs)]);
        const response = await fetch(url, { signal });
        await response.text();
        if (!response.ok) throw new Error(`${response.status}`);
        const at = performance.now();
        answeredAt.push(at);
        waits.push({ ms: at - since, at });
      } catch {
        failedAt.push(since);
      }
      await sleep(everyMs, undefined, { signal: closing.signal }).catch(() => {});
    }
  })();
  return {
    answeredAt,
    waits,
    refusedAt: [],
    unanswered: () => failedAt,
    async close() {
      closing.abort();
      await done;
    },
  };
}

const readTimeoutMs = 15_000;

export type Gap = { readonly from: number; readonly to: number };

/** The longest time between two answers of a probe that touches `from` to `to`. */
export function longestGap({ answeredAt }: Probe, from: number, to: number): Gap {
  let longest: Gap = { from, to: from };
  let before = answeredAt.findLast((at) => at < from) ?? from;
  for (const at of [...answeredAt.filter((at) => at >= from && at <= to), to]) {
    if (at - before > longest.to - longest.from) longest = { from: before, to: at };
    before = at;
  }
  return longest;
}
