/** Reads what a distributed run left: every partition of Kafka from its beginning, and the tables of PostgreSQL. */
import kafkajs, { type Kafka } from "kafkajs";
import type { Pool } from "pg";
import { newTwin, type Twin } from "../../core/device/twin.ts";
import { openPostgresFleetIndex } from "../../ports/fleet-index/postgres.ts";
import { openRecordReader, type RecordReader } from "../../ports/record-codec/codec.ts";
import { type LoggedRecord, logTopics } from "../../ports/record-log/port.ts";
import { postgresSchemaRegistry } from "../../ports/schema-registry/postgres.ts";
import { openPostgresTwinState } from "../../ports/twin-state/postgres.ts";
import type { DistributedFacts, KeptRecord } from "./check-distributed.ts";
import { readCommands, readDeadLetters, readRows } from "./collect.ts";
import type { StoredRow } from "./facts.ts";

export type CollectedDistributed = Pick<
  DistributedFacts,
  "log" | "logEnd" | "rows" | "progress" | "fleetCommands" | "fleetDeadLetters" | "states" | "outbox"
> & { readonly copies: number };

/** The default of `openKafkaSource`. */
const copyWindow = 10_000;

type Place = { readonly topic: string; readonly partition: number };
type Read = LoggedRecord & { readonly loggedAtMs: number };

/** All there is, when nobody writes any more. */
export async function collectDistributed(pool: Pool, brokers: readonly string[]): Promise<CollectedDistributed> {
  const { log, copies } = await readKafka(brokers, openRecordReader(postgresSchemaRegistry(pool)));
  const fleet = await openPostgresFleetIndex(pool);
  const offsets = await readSinkOffsets(pool);
  return {
    log,
    logEnd: log.length,
    copies,
    rows: placed(await readRows(pool), log),
    progress: { timeseries: progressOf("timeseries", log, offsets), fleet: progressOf("fleet", log, offsets) },
    fleetCommands: await readCommands(fleet),
    fleetDeadLetters: await readDeadLetters(fleet),
    states: await readStates(pool),
    outbox: await countOutbox(pool),
  };
}

export async function countOutbox(pool: Pool): Promise<number> {
  const { rows } = await pool.query("select count(*) as count from outbox");
  return Number(rows[0].count);
}

/** Records that the sinks have not taken yet, over all partitions. */
export async function countSinkLag(pool: Pool, brokers: readonly string[]): Promise<number> {
  const kafka = openKafka(brokers);
  const offsets = await readSinkOffsets(pool);
  let lag = 0;
  for (const [place, { low, end }] of await readEnds(kafka))
    for (const sink of sinksOf(place)) lag += end - Math.max(low, offsets.get(`${sink} ${place}`) ?? 0);
  return lag;
}

/** Kept records, with offsets that count through all partitions; those of device-events come first. */
async function readKafka(
  brokers: readonly string[],
  codec: RecordReader,
): Promise<{ log: KeptRecord[]; copies: number }> {
  const partitions = await readPartitions(openKafka(brokers), codec);
  const log: KeptRecord[] = [];
  let copies = 0;
  for (const [place, records] of partitions) {
    const newest = new Map<string, number>();
    for (const [index, { id, device, record, offset, loggedAtMs }] of records.entries()) {
      const key = `${device}\n${id}`;
      const before = newest.get(key);
      newest.set(key, index);
      // As ports/record-log promises to its readers (R5), told from the whole ids.
      if (before !== undefined && index - before <= copyWindow) copies += 1;
      else log.push({ offset: log.length, device, record, id, place, placeOffset: offset, loggedAtMs });
    }
  }
  return { log, copies };
}

async function readPartitions(kafka: Kafka, codec: RecordReader): Promise<Map<string, Read[]>> {
  const ends = await readEnds(kafka);
  const found = new Map<string, Read[]>([...ends.keys()].map((place) => [place, []]));
  const open = new Set([...ends].filter(([, { low, end }]) => end > low).map(([place]) => place));
  if (open.size === 0) return found;
  const consumer = kafka.consumer({ groupId: `checker-${process.pid}-${Date.now()}`, maxWaitTimeInMs: 200 });
  await consumer.connect();
  try {
    for (const topic of logTopics) await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`Not read within 60 s: ${[...open].join(", ")}`)), 60_000);
      void consumer.run({
        eachMessage: async ({ topic, partition, message }) => {
          const place = placeOf({ topic, partition });
          const offset = Number(message.offset);
          await codec.learnFrom([message.value]);
          const record = codec.decode(message.key, message.value, offset);
          found.get(place)!.push({ ...record, loggedAtMs: Number(message.timestamp) });
          if (offset + 1 >= ends.get(place)!.end) open.delete(place);
          if (open.size > 0) return;
          clearTimeout(limit);
          resolve();
        },
      });
    });
  } finally {
    await consumer.disconnect();
  }
  return found;
}

async function readEnds(kafka: Kafka): Promise<Map<string, { low: number; end: number }>> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const ends = new Map<string, { low: number; end: number }>();
    for (const topic of ["device-events", "iot-telemetry", "dead-letter"])
      for (const { partition, low, high } of await admin.fetchTopicOffsets(topic))
        ends.set(placeOf({ topic, partition }), { low: Number(low), end: Number(high) });
    return ends;
  } finally {
    await admin.disconnect();
  }
}

/** Rows name their record by its offset in its partition: here by its place in the log that was read. */
function placed(rows: readonly StoredRow[], log: readonly KeptRecord[]): StoredRow[] {
  const offsets = new Map<string, number>();
  for (const { place, placeOffset, device, offset } of log)
    if (place.startsWith("iot-telemetry/")) offsets.set(`${device} ${placeOffset}`, offset);
  return rows.map((row) => ({ ...row, offset: offsets.get(`${row.device} ${row.offset}`) ?? -1 - row.offset }));
}

/** Up to where all is taken. */
function progressOf(sink: string, log: readonly KeptRecord[], offsets: ReadonlyMap<string, number>): number {
  const waiting = log.find(
    ({ place, placeOffset }) => sinksOf(place).includes(sink) && placeOffset >= (offsets.get(`${sink} ${place}`) ?? 0),
  );
  return waiting?.offset ?? log.length;
}

function sinksOf(place: string): string[] {
  return place.startsWith("iot-telemetry/") ? ["timeseries", "fleet"] : ["fleet"];
}

async function readSinkOffsets(pool: Pool): Promise<Map<string, number>> {
  const { rows } = await pool.query("select consumer, partition, next_offset from sink_offsets");
  return new Map(rows.map(({ consumer, partition, next_offset }) => [`${consumer} ${partition}`, Number(next_offset)]));
}

async function readStates(pool: Pool): Promise<Map<string, { twin: Twin; revision: number }>> {
  const { rows } = await pool.query<{ device: string }>("select device from twin_states");
  const store = await openPostgresTwinState(pool, { host: "checker" });
  const states = await store.load(rows.map(({ device }) => device));
  return new Map(
    [...states].map(([device, state]) => {
      if ("unreadable" in state) return [device, { twin: newTwin(device), revision: -1 }];
      return [device, { twin: state.twin, revision: state.revision }];
    }),
  );
}

function openKafka(brokers: readonly string[]): Kafka {
  return new kafkajs.Kafka({
    brokers: [...brokers],
    clientId: "checker",
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 10 },
  });
}

function placeOf({ topic, partition }: Place): string {
  return `${topic}/${partition}`;
}
