import type { Reply, TwinInput } from "../../core/device/inputs.ts";
import { defaultPolicy, type TwinPolicy } from "../../core/device/policy.ts";
import type { DownlinkMessage } from "../../ports/downlink/port.ts";
import { type MemoryRecordLog, openMemoryRecordLog } from "../../ports/record-log/memory.ts";
import type { LoggedRecord, LogTopic, RecordPublisher } from "../../ports/record-log/port.ts";
import { type MemorySoftStorage, memorySoftStorage, openMemorySoftState } from "../../ports/soft-state/memory.ts";
import { type MemoryTwinDatabase, memoryTwinDatabase, openMemoryTwinState } from "../../ports/twin-state/memory.ts";
import type { NamedTurn, TurnsAnswer } from "../device/turns-wire.ts";
import { type DistributedHost, openDistributedHost } from "./distributed.ts";

/** What hosts share, and how it fails next. */
export type World = {
  readonly database: MemoryTwinDatabase;
  readonly log: MemoryRecordLog;
  readonly soft: MemorySoftStorage;
  readonly sent: DownlinkMessage[];
  nowMs: number;
  failCommit: "before" | "after" | null;
};

export const newWorld = (): World => ({
  database: memoryTwinDatabase(),
  log: openMemoryRecordLog(),
  soft: memorySoftStorage(),
  sent: [],
  nowMs: 1_700_000_000_000,
  failCommit: null,
});

let hosts = 0;

export function openHost(
  world: World,
  more: { policy?: TwinPolicy; publishMs?: number; wake?: (device: string) => Promise<unknown> } = {},
): DistributedHost {
  hosts += 1;
  const store = openMemoryTwinState(world.database, { host: `host-${hosts}`, now: () => world.nowMs });
  return openDistributedHost({
    store: {
      ...store,
      async commit(writes) {
        const failure = world.failCommit;
        world.failCommit = null;
        if (failure === "before") throw new Error("the database is away");
        const outcomes = await store.commit(writes);
        if (failure === "after") throw new Error("the answer was lost");
        return outcomes;
      },
    },
    publisher: slowed(world.log.openPublisher(), more.publishMs ?? 0),
    soft: openMemorySoftState(world.soft),
    downlink: { publish: async (message) => void world.sent.push(message), connected: true, close: async () => {} },
    now: () => world.nowMs,
    policyOf: () => more.policy ?? defaultPolicy,
    openRegistry: true,
    flushMs: 0,
    softMs: 0,
    idleMs: 600_000,
    wake: more.wake ?? (async () => {}),
    logger: { error: () => {}, warn: () => {} },
  });
}

function slowed(publisher: RecordPublisher, ms: number): RecordPublisher {
  if (ms === 0) return publisher;
  return { ...publisher, publish: async (records) => pause(ms).then(() => publisher.publish(records)) };
}

let turnCount = 0;
export const named = (input: TwinInput, more: Partial<NamedTurn> = {}): NamedTurn => {
  turnCount += 1;
  return { turn: `t${turnCount}`, digest: 0, redelivered: false, input, ...more };
};
export const telemetry = (seq: number): TwinInput => ({
  kind: "telemetry",
  topic: "devices/pump-4/telemetry",
  payload: new TextEncoder().encode(
    JSON.stringify({ ts: 1_700_000_000_000 + seq, boot: "b", seq, readings: { t: seq } }),
  ),
  session: null,
});
export const report = (value: number): TwinInput => ({
  kind: "shadow",
  shadow: "",
  request: { kind: "update", payload: new TextEncoder().encode(JSON.stringify({ state: { reported: { value } } })) },
  by: "device",
  session: null,
});
export const read: TwinInput = { kind: "read" };

export function repliesOf(answer: TurnsAnswer): readonly Reply[] {
  if (answer.kind !== "replies") throw new Error(`the turns were not taken: ${answer.why}`);
  return answer.replies;
}
export const one = async (host: DistributedHost, input: TwinInput, device = "pump-4") =>
  repliesOf(await host.turns(device, [named(input)]))[0]!;
export const twinOf = async (host: DistributedHost, device = "pump-4") => {
  const reply = await one(host, read, device);
  if (reply.kind !== "twin") throw new Error(`${device} is ${reply.kind}`);
  return reply.twin;
};
/** What readers of the log keep: each record once, without the small talk. */
export const logged = (world: World, topic: LogTopic, device = "pump-4"): LoggedRecord[] => {
  const seen = new Set<string>();
  return world.log.records(topic).filter((record) => {
    if (record.device !== device || record.record.kind === "seen" || seen.has(record.id)) return false;
    seen.add(record.id);
    return true;
  });
};
export const pause = (ms = 5) => new Promise((resolve) => setTimeout(resolve, ms));
