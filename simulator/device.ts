/** One simulated device: an MQTT client that measures, obeys, sleeps and breaks. */
import { connect, type MqttClient } from "mqtt";
import { badPayload, complianceWith, type Misbehaviour, reconnectDelayMs } from "./behaviour.ts";
import type { SimulatedDevice } from "./fleet.ts";
import { type Random, seeded } from "./random.ts";
import { readingsAt, type Settings } from "./signals.ts";
import type { Tally } from "./tally.ts";

export type DeviceOptions = {
  /** e.g. mqtt://127.0.0.1:1883 */
  readonly url: string;
  readonly token: string | undefined;
  /** Between two messages. */
  readonly intervalMs: number;
  readonly seed: number;
  readonly misbehaviour: Misbehaviour;
};

/** How long a sleeper sleeps after a message. */
const sleepMs = 90_000;

export class DeviceSimulation {
  readonly #device: SimulatedDevice;
  readonly #options: DeviceOptions;
  readonly #tally: Tally;
  readonly #random: Random;
  #settings: Settings & Record<string, unknown> = { unit: "C" };
  #client: MqttClient | null = null;
  #timers = new Set<NodeJS.Timeout>();
  #attempt = 0;
  #boot = 0;
  #seq = 0;
  #last = "";
  #stopped = false;
  /** Commands that a reboot has still to confirm. */
  readonly #rebooting: string[] = [];

  constructor(device: SimulatedDevice, options: DeviceOptions, tally: Tally) {
    this.#device = device;
    this.#options = options;
    this.#tally = tally;
    this.#random = seeded(options.seed, `${device.id}/life`);
    this.#boot = Date.now();
  }

  start(): void {
    const { url, token, intervalMs } = this.#options;
    const { id, sleeper } = this.#device;
    if (this.#stopped) return;
    const client = connect(url, {
      clientId: id,
      username: id,
      ...(token === undefined ? {} : { password: token }),
      clean: !sleeper,
      keepalive: 30,
      reconnectPeriod: 0,
      connectTimeout: 20_000,
      queueQoSZero: false,
      will: { topic: `devices/${id}/status`, payload: Buffer.from("offline"), qos: 1, retain: false },
    });
    this.#client = client;
    client.on("connect", () => {
      this.#attempt = 0;
      this.#tally.connects += 1;
      this.#tally.connected += 1;
      client.subscribe([`devices/${id}/commands`, `$aws/things/${id}/shadow/update/delta`], { qos: 1 }, (error) => {
        if (error === null) this.#woke();
      });
      this.#after(this.#random() * intervalMs, () => this.#measure());
      if (this.#options.misbehaviour.losses > 0)
        this.#after((60_000 / this.#options.misbehaviour.losses) * (0.5 + this.#random()), () => this.#break());
    });
    client.on("message", (topic, payload) => {
      if (topic.endsWith("/commands")) this.#command(payload);
      else this.#delta(payload);
    });
    client.on("error", () => {});
    client.on("close", () => {
      if (client !== this.#client) return;
      if (this.#attempt === 0) this.#tally.connected -= 1;
      this.#client = null;
      this.#clearTimers();
      this.#attempt += 1;
      this.#after(reconnectDelayMs(this.#attempt, this.#random), () => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#clearTimers();
    const client = this.#client;
    this.#client = null;
    if (client === null) return;
    await new Promise<void>((resolve) => {
      const limit = setTimeout(() => client.end(true, () => resolve()), 5_000);
      client.end(false, {}, () => {
        clearTimeout(limit);
        resolve();
      });
    });
    if (this.#attempt === 0) this.#tally.connected -= 1;
  }

  #woke(): void {
    for (const command of this.#rebooting.splice(0)) this.#acknowledge(command, { status: "succeeded" });
    this.#report();
  }

  #measure(): void {
    const { id, profile, sleeper } = this.#device;
    const { duplicates, bad } = this.#options.misbehaviour;
    const topic = `devices/${id}/telemetry`;
    const roll = this.#random();
    if (roll < bad) {
      this.#tally.bad += 1;
      this.#publish(topic, badPayload(this.#random));
    } else if (roll < bad + duplicates && this.#last !== "") {
      this.#tally.duplicates += 1;
      this.#publish(topic, this.#last);
    } else {
      const now = Date.now();
      const readings = readingsAt(profile, this.#settings, now, this.#random);
      this.#seq += 1;
      this.#last = JSON.stringify({ ts: now, seq: this.#seq, boot: this.#boot, readings });
      this.#publish(topic, this.#last);
    }
    if (sleeper) this.#after(1_000, () => this.#sleep());
    else this.#after(this.#options.intervalMs * (0.9 + 0.2 * this.#random()), () => this.#measure());
  }

  #publish(topic: string, payload: string | Buffer): void {
    this.#tally.sent += 1;
    this.#client?.publish(topic, payload, { qos: 1 }, (error) => {
      if (error) this.#tally.failed += 1;
      else this.#tally.acknowledged += 1;
    });
  }

  #sleep(): void {
    this.#retire((client) => client.end());
    this.#after(sleepMs * (0.5 + this.#random()), () => this.start());
  }

  /** The socket breaks without a goodbye; the device finds its way back. */
  #break(): void {
    this.#tally.losses += 1;
    this.#retire((client) => client.stream.destroy());
    this.#attempt = 1;
    this.#after(reconnectDelayMs(1, this.#random), () => this.start());
  }

  /** Leaves the client by `end`; what it does after that is nobody's business. */
  #retire(end: (client: MqttClient) => void): void {
    const client = this.#client;
    this.#client = null;
    this.#clearTimers();
    if (client === null) return;
    this.#tally.connected -= 1;
    end(client);
  }

  #delta(payload: Buffer): void {
    const { state } = JSON.parse(payload.toString()) as { state: Record<string, unknown> };
    this.#tally.deltas += 1;
    this.#configure(state);
  }

  /** Reports only what has changed: a device that answers every delta would ask for the next one. */
  #configure(wanted: Record<string, unknown>): void {
    const { firmware: _, ...settings } = wanted; // not for a setting to change
    const changed = { ...this.#settings, ...settings };
    if (JSON.stringify(changed) === JSON.stringify(this.#settings)) return;
    this.#settings = changed;
    this.#report();
  }

  #report(): void {
    const reported = { ...this.#settings, firmware: this.#device.firmwareVersion };
    this.#publish(`$aws/things/${this.#device.id}/shadow/update`, JSON.stringify({ state: { reported } }));
  }

  #command(payload: Buffer): void {
    const command = JSON.parse(payload.toString()) as {
      id: string;
      name?: string;
      parameters?: unknown;
      cancel?: boolean;
    };
    if (command.cancel === true) return;
    const compliance = complianceWith(command.name ?? "", command.parameters);
    this.#tally.commands += 1;
    if (compliance.kind === "reject") {
      this.#acknowledge(command.id, { status: "rejected", reason: compliance.reason });
      return;
    }
    this.#acknowledge(command.id, { status: "acknowledged" });
    if (compliance.kind === "configure") {
      this.#configure(compliance.settings);
      this.#acknowledge(command.id, { status: "succeeded", result: compliance.settings as object });
      return;
    }
    this.#acknowledge(command.id, { status: "in_progress", progress: { step: "shutting down" } });
    this.#after(500, () => {
      this.#rebooting.push(command.id);
      this.#boot = Date.now();
      this.#seq = 0;
      this.#retire((client) => client.end());
      this.#after(1_500, () => this.start());
    });
  }

  #acknowledge(command: string, word: object): void {
    this.#publish(`devices/${this.#device.id}/commands/${command}/ack`, JSON.stringify(word));
  }

  #after(ms: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#stopped) then();
    }, ms);
    this.#timers.add(timer);
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
