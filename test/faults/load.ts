/**
 * The load: a seeded fleet over MQTT and HTTP and an app, whose every word and every answer is in the journal.
 * `start`, then `finish` (until everything is acknowledged), `settle` (some leave, some stay), `stop`.
 */
import { seeded } from "../../simulator/random.ts";
import { LoadApp } from "./app.ts";
import { LoadDevice, type Role } from "./device.ts";
import type { LinkOptions } from "./device-link.ts";
import { Journal } from "./journal.ts";

export type LoadOptions = {
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly seed: number;
  readonly devices: number;
  /** Messages per second and device. */
  readonly rate: number;
  readonly exactlyOnceFrom: LinkOptions["exactlyOnceFrom"];
};

const tickMs = 10;

export class Load {
  readonly journal = new Journal();
  readonly #devices: readonly LoadDevice[];
  readonly #app: LoadApp;
  readonly #seed: number;
  #ticker: NodeJS.Timeout | null = null;

  constructor(options: LoadOptions) {
    const { mqttPort, httpPort, seed, rate, exactlyOnceFrom } = options;
    const { journal } = this;
    this.#seed = seed;
    this.#devices = Array.from({ length: options.devices }, (_, index) => {
      const id = `dev-${index}`;
      const role = roleOf(index);
      const intervalMs = 1_000 / rate;
      return new LoadDevice({ id, role, mqttPort, httpPort, seed, intervalMs, journal, exactlyOnceFrom });
    });
    const devices = this.#devices.map(({ id }) => id);
    this.#app = new LoadApp({ httpPort, devices, seed, journal, concurrency: 6, pauseMs: 40 });
  }

  /** The ids of devices that never leave of their own accord. */
  get steady(): string[] {
    return this.#devices.filter(({ role }) => role === "steady").map(({ id }) => id);
  }

  get unacknowledged(): number {
    return this.#devices.reduce((sum, device) => sum + device.unacknowledged, 0);
  }

  start(): void {
    for (const device of this.#devices) device.start(Date.now());
    this.#app.start();
    this.#ticker = setInterval(() => {
      const nowMs = Date.now();
      for (const device of this.#devices) device.tick(nowMs);
    }, tickMs);
  }

  /** Nothing new; what is not acknowledged goes out until it is. False when that takes longer than the limit. */
  async finish(limitMs: number): Promise<boolean> {
    const endMs = performance.now() + limitMs;
    for (const device of this.#devices) device.finish();
    const limit = setTimeout(() => this.#app.stop(), limitMs);
    await this.#app.finish();
    clearTimeout(limit);
    // Twice, with a pause: the last commands still reach their devices, which answer them.
    for (let quiet = 0; quiet < 2; ) {
      if (performance.now() > endMs) return false;
      await new Promise((resolve) => setTimeout(resolve, 250));
      quiet = this.unacknowledged === 0 ? quiet + 1 : 0;
    }
    return true;
  }

  /** Some devices leave, in every way there is, the others stay; says what each one's status has to become. */
  settle(): Map<string, "online" | "offline"> {
    const random = seeded(this.#seed, "settle");
    const expected = new Map<string, "online" | "offline">();
    for (const device of this.#devices) {
      const hangs = device.role === "steady" && random() < 0.25;
      const stays = !hangs && (device.role === "steady" || (device.role !== "http" && random() < 0.5));
      if (stays) device.stay();
      else if (hangs) device.fallSilent();
      else device.go(random() < 0.5);
      expected.set(device.id, stays ? "online" : "offline");
    }
    return expected;
  }

  stop(): void {
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#app.stop();
    for (const device of this.#devices) device.go(false);
  }
}

/** Of ten: six steady, two roaming, a sleeper, and one that knows only HTTP. */
function roleOf(index: number): Role {
  const place = index % 10;
  if (place === 9) return "http";
  if (place === 8) return "sleeper";
  return place >= 6 ? "roaming" : "steady";
}
