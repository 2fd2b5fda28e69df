/** Bytes a twin takes in memory, and what its presence deadlines cost. Run with `--expose-gc` as a process of its own. */

import { newResident, type Resident } from "../actors/host/residents.ts";
import { noTimer, TimerWheel } from "../actors/host/timer-wheel.ts";
import { nextDeadline } from "../core/device/deadlines.ts";
import { takeTurn } from "../core/device/decide.ts";
import { defaultPolicy } from "../core/device/policy.ts";
import { newTwin } from "../core/device/twin.ts";

export type MemoryResult = {
  readonly twins: number;
  /** Heap and array buffers, per twin: twin, its place in the map, and its timer. */
  readonly bytesPerTwin: number;
  /** CPU ms a second for 33,000 renewals a second of their deadlines, spread over all twins. */
  readonly renewalCpuMsPerSecond: number;
};

const encoder = new TextEncoder();

/** Twins that are connected and have sent two messages of four readings. */
export function measureMemory(count: number): MemoryResult {
  const startMs = 1_700_000_000_000;
  const node = { id: "run", startedAtMs: startMs };
  const context = (nowMs: number) => ({ nowMs, policyOf: () => defaultPolicy, node, openRegistry: true });
  const before = used();
  const residents = new Map<string, Resident>();
  const wheel = new TimerWheel(startMs);
  for (let index = 0; index < count; index += 1) {
    const id = flat(`device-${index}`);
    let twin = newTwin(id);
    const session = { id: flat(`Sw9PhN6S-${index.toString(36)}`), connectedAtMs: startMs, node: node.id };
    twin = takeTurn(twin, { kind: "connected", session }, context(startMs)).twin;
    for (let seq = 1; seq <= 2; seq += 1) {
      const payload = encoder.encode(
        `{"ts":${startMs + seq},"seq":${seq},"boot":"b1","readings":{"temperature":21.${seq},"humidity":44.5,"battery":88.2,"signal":-61}}`,
      );
      const topic = `devices/${id}/telemetry`;
      twin = takeTurn(twin, { kind: "telemetry", topic, payload, session: session.id }, context(startMs + seq)).twin;
    }
    const resident = newResident(twin, 0, 0);
    resident.timer = wheel.schedule(noTimer, id, nextDeadline(twin, context(startMs))!);
    residents.set(id, resident);
  }
  const bytesPerTwin = (used() - before) / count;
  return { twins: count, bytesPerTwin, renewalCpuMsPerSecond: renew(residents, wheel, startMs) };
}

/** As the host does it: a renewal moves the timer only if the deadline comes earlier. */
function renew(residents: Map<string, Resident>, wheel: TimerWheel, startMs: number): number {
  const all = [...residents.values()];
  const cpu = process.cpuUsage();
  const seconds = 90;
  let next = 0;
  for (let second = 1; second <= seconds; second += 1) {
    const nowMs = startMs + second * 1_000;
    const lastSeenMs = nowMs;
    for (let renewed = 0; renewed < 33_000; renewed += 1) {
      const resident = all[next]!;
      next = (next + 1) % all.length;
      resident.touched = second;
      const deadlineMs = lastSeenMs + defaultPolicy.silenceMs;
      resident.timer = wheel.schedule(resident.timer, resident.twin.id, deadlineMs);
    }
    for (let tick = 0; tick < 50; tick += 1) {
      for (const id of wheel.due(nowMs + tick * 20)) {
        const resident = residents.get(id)!;
        const deadlineMs = startMs + resident.touched * 1_000 + defaultPolicy.silenceMs;
        resident.timer = wheel.schedule(noTimer, id, Math.max(nowMs + 1, deadlineMs));
      }
    }
  }
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / 1_000 / seconds;
}

/** As ids come off the wire: in one piece. */
function flat(text: string): string {
  return Buffer.from(text).toString();
}

function used(): number {
  globalThis.gc!();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(measureMemory(Number(process.argv[2])))}\n`);
