/**
 * Publishes QoS 1 telemetry over raw sockets and times the PUBACKs: lean enough that the server is what is measured.
 * Run as a process of its own: `node bench/load-generator.ts '{"port":1883,…}'` prints one JSON line at the end.
 */
import { connect, type Socket } from "node:net";
import { generate } from "mqtt-packet";

export type Load = {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Different devices; each connection speaks for one, so at most `connections` of them at a time. */
  readonly prefix: string;
  /** Messages per second over all connections; 0 for as fast as the acknowledgements allow. */
  readonly rate: number;
  /** Unacknowledged messages that a connection may have. */
  readonly inFlight: number;
  readonly seconds: number;
  /** Not measured at the start, seconds. */
  readonly warmUpSeconds: number;
};

export type LoadResult = {
  readonly acknowledged: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** CPU of the generator itself, seconds. */
  readonly cpuSeconds: number;
};

/** A device on a connection of its own; it publishes as fast as it is told. */
export class Device {
  readonly #socket: Socket;
  readonly #topic: Buffer;
  readonly #boot: string;
  readonly #sentAt = new Map<number, number>();
  #seq = 0;
  #packetId = 0;
  #left: Buffer = Buffer.alloc(0);
  readonly #acknowledged: (sentAt: number) => void;

  constructor(socket: Socket, id: string, boot: string, acknowledged: (sentAt: number) => void) {
    this.#socket = socket;
    this.#topic = Buffer.from(`devices/${id}/telemetry`);
    this.#boot = boot;
    this.#acknowledged = acknowledged;
    socket.on("data", (chunk) => this.#read(chunk));
  }

  get inFlight(): number {
    return this.#sentAt.size;
  }

  publish(now: number): void {
    this.#seq += 1;
    this.#packetId = (this.#packetId % 65_535) + 1;
    const temperature = (20 + (this.#seq % 100) / 10).toFixed(1);
    const payload = Buffer.from(
      `{"ts":${Date.now()},"seq":${this.#seq},"boot":"${this.#boot}","readings":{"temperature":${temperature},"humidity":44.5,"battery":88.2,"signal":-61}}`,
    );
    const length = 2 + this.#topic.length + 2 + payload.length;
    const packet = Buffer.allocUnsafe((length < 128 ? 2 : 3) + length);
    let at = 0;
    packet[at++] = 0x32;
    if (length < 128) packet[at++] = length;
    else {
      packet[at++] = (length % 128) | 0x80;
      packet[at++] = length >> 7;
    }
    at = packet.writeUInt16BE(this.#topic.length, at);
    at += this.#topic.copy(packet, at);
    at = packet.writeUInt16BE(this.#packetId, at);
    payload.copy(packet, at);
    this.#sentAt.set(this.#packetId, now);
    this.#socket.write(packet);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  #read(chunk: Buffer): void {
    const data = this.#left.length === 0 ? chunk : Buffer.concat([this.#left, chunk]);
    let at = 0;
    while (data.length - at >= 4) {
      const length = 2 + data[at + 1]!;
      if (data.length - at < length) break;
      if (data[at] === 0x40) {
        const packetId = data.readUInt16BE(at + 2);
        const sentAt = this.#sentAt.get(packetId);
        if (sentAt !== undefined) {
          this.#sentAt.delete(packetId);
          this.#acknowledged(sentAt);
        }
      }
      at += length;
    }
    this.#left = at === data.length ? Buffer.alloc(0) : data.subarray(at);
  }
}

export async function runLoad(load: Load): Promise<LoadResult> {
  const latencies: number[] = [];
  let acknowledged = 0;
  let measuring = false;
  const devices: Device[] = [];
  const onAcknowledged = (sentAt: number) => {
    if (!measuring) return;
    acknowledged += 1;
    latencies.push(performance.now() - sentAt);
  };
  for (let first = 0; first < load.connections; first += 200) {
    const some = Array.from({ length: Math.min(200, load.connections - first) }, (_, index) => first + index);
    devices.push(...(await Promise.all(some.map((index) => openDevice(load, index, onAcknowledged)))));
  }
  const startedAt = performance.now();
  const endAt = startedAt + (load.warmUpSeconds + load.seconds) * 1000;
  let cpu = process.cpuUsage();
  let measuredFrom = startedAt;
  let next = 0;
  let owed = 0;
  let last = startedAt;
  await new Promise<void>((resolve) => {
    const step = () => {
      const now = performance.now();
      if (!measuring && now - startedAt >= load.warmUpSeconds * 1000) {
        measuring = true;
        measuredFrom = now;
        cpu = process.cpuUsage();
      }
      if (now >= endAt) return resolve();
      if (load.rate > 0) {
        owed = Math.min(owed + ((now - last) * load.rate) / 1000, load.rate);
        last = now;
        for (let tried = 0; owed >= 1 && tried < devices.length; tried += 1) {
          const device = devices[next]!;
          next = (next + 1) % devices.length;
          if (device.inFlight >= load.inFlight) continue;
          device.publish(now);
          owed -= 1;
        }
      } else {
        for (const device of devices) {
          if (device.inFlight > load.inFlight / 2) continue;
          device.cork();
          while (device.inFlight < load.inFlight) device.publish(now);
          device.uncork();
        }
      }
      if (load.rate > 0) setTimeout(step, 1);
      else setImmediate(step);
    };
    step();
  });
  const seconds = (performance.now() - measuredFrom) / 1000;
  measuring = false;
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  const at = (part: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))] ?? 0;
  return {
    acknowledged,
    seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    cpuSeconds: (user + system) / 1e6,
  };
}

export function openDevice(
  load: Pick<Load, "host" | "port" | "prefix">,
  index: number,
  acknowledged: (sentAt: number) => void,
): Promise<Device> {
  const id = `${load.prefix}${index}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: load.host, port: load.port, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.write(
        generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: true, clientId: id, keepalive: 600 }),
      );
    });
    socket.once("data", (connack: Buffer) => {
      if (connack[0] !== 0x20 || connack[3] !== 0) return reject(new Error(`CONNECT of ${id} was refused`));
      resolve(new Device(socket, id, `${process.pid}`, acknowledged));
    });
  });
}

if (process.argv[2] !== undefined && import.meta.main) {
  const result = await runLoad(JSON.parse(process.argv[2]) as Load);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  process.exit(0);
}
