/**
 * Devices that send telemetry in bursts, QoS 1, as a process of its own: `openBursts` forks this file. They stay connected
 * between two loads, so that what is measured is telemetry alone.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Device, openDevice } from "./load-generator.ts";

type Fleet = { readonly host: string; readonly port: number; readonly prefix: string; readonly devices: number };

export type Burst = {
  /** Messages that a device sends at once. */
  readonly size: number;
  /** Messages per second over all devices. */
  readonly rate: number;
  readonly seconds: number;
};

/** What was sent; all of it is acknowledged by the broker. */
export type Sent = { readonly messages: number; readonly seconds: number; readonly cpuSeconds: number };

export type Bursts = { send(burst: Burst): Promise<Sent>; close(): void };

/** Resolves when all devices are connected. */
export async function openBursts(fleet: Fleet): Promise<Bursts> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(fleet)]);
  const answer = async () => {
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`The load generator ended with ${code}.`);
    });
    return (await Promise.race([once(child, "message"), ended]))[0] as unknown;
  };
  await answer();
  return {
    async send(burst) {
      child.send(burst);
      return (await answer()) as Sent;
    },
    close: () => void child.kill(),
  };
}

async function generate(fleet: Fleet): Promise<void> {
  let open = 0;
  const acknowledged = () => {
    open -= 1;
  };
  const devices: Device[] = [];
  for (let index = 0; index < fleet.devices; index += 1) devices.push(await openDevice(fleet, index, acknowledged));
  let next = 0;

  async function send({ size, rate, seconds }: Burst): Promise<Sent> {
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    let messages = 0;
    for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - startedAt) / 1_000) {
      while (messages + size <= elapsed * rate) {
        const device = devices[next++ % devices.length]!;
        device.cork();
        for (let sent = 0; sent < size; sent += 1) device.publish(0);
        device.uncork();
        open += size;
        messages += size;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const took = (performance.now() - startedAt) / 1_000;
    while (open > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const { user, system } = process.cpuUsage(cpu);
    return { messages, seconds: took, cpuSeconds: (user + system) / 1e6 };
  }

  process.on("message", (burst: Burst) => void send(burst).then((sent) => process.send?.(sent)));
  process.once("disconnect", () => process.exit(0));
  process.send?.("connected");
}

if (import.meta.main) await generate(JSON.parse(process.argv[2]!) as Fleet);
