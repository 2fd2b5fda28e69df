/**
 * `node bench/codec.ts`: CPU of the log's forms: a telemetry record to bytes and back as JSON and as Avro, and a whole
 * append (a block of the embedded log, zstd included). The best of some rounds of each, taken in turn.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { decodeBlock, encodeBlock } from "../ports/event-log/block.ts";
import type { LogEntry } from "../ports/event-log/port.ts";
import { localRecordCodec } from "../ports/record-codec/codec.ts";
import { decodeRecord, encodeRecord } from "../ports/record-log/codec.ts";

const count = 500;
const rounds = 15;
const repeated = 40;
const key = Buffer.from("pump-1");

const entries: LogEntry[] = Array.from({ length: count }, (_, index) => ({
  device: `pump-${index}`,
  record: {
    kind: "telemetry",
    atMs: 1_700_000_000_000 + index,
    tsMs: 1_700_000_000_000 + index * 3,
    readings: {
      temperature: 20 + (index % 100) / 10,
      humidity: 40 + (index % 37) / 3,
      rpm: 1_400 + index,
      open: index % 2 === 0,
    },
    identity: { kind: "sequence", boot: "b7f3", seq: 10_000 + index },
    type: "pump",
    region: "eu-west",
  },
}));
const records = entries.map(({ device, record }, index) => ({ id: `s${index}:b7f3`, device, record }));
const codec = localRecordCodec();
const zstd = { params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } };

const jsonValues = records.map(encodeRecord);
const avroValues = records.map((record) => codec.encode(record));
const jsonBlock = encodeJsonBlock();
const avroBlock = encodeBlock(entries, codec);

/** As the first version of the block was written. */
function encodeJsonBlock(): Buffer {
  let lines = "";
  for (const { device, record } of entries) lines += `[${JSON.stringify(device)},${JSON.stringify(record)}]\n`;
  const compressed = zstdCompressSync(lines, zstd);
  const block = Buffer.allocUnsafe(compressed.length + 1);
  block[0] = 1;
  compressed.copy(block, 1);
  return block;
}

const cases: Record<string, () => unknown> = {
  "JSON encode": () => records.map(encodeRecord),
  "Avro encode": () => records.map((record) => codec.encode(record)),
  "JSON decode": () => jsonValues.map((value) => decodeRecord(key, value, 0)),
  "Avro decode": () => avroValues.map((value) => codec.decode(key, value, 0)),
  "JSON block write": encodeJsonBlock,
  "Avro block write": () => encodeBlock(entries, codec),
  "JSON block read": () => decodeBlock(jsonBlock, count, codec),
  "Avro block read": () => decodeBlock(avroBlock, count, codec),
  "(zstd of the JSON alone)": () => zstdCompressSync(zstdDecompressSync(jsonBlock.subarray(1)), zstd),
};

const best = new Map<string, number>();
for (let round = 0; round < rounds; round += 1) {
  for (const [name, run] of Object.entries(cases)) {
    const before = process.cpuUsage();
    for (let time = 0; time < repeated; time += 1) run();
    const { user, system } = process.cpuUsage(before);
    best.set(name, Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, (user + system) / repeated / count));
  }
}
for (const [name, micros] of best)
  console.log(`${name.padEnd(26)} ${micros.toFixed(2)} µs a record, ${Math.round(1_000 / micros)}k/s per CPU second`);
const mean = (values: readonly Buffer[]) => values.reduce((sum, { length }) => sum + length, 0) / values.length;
console.log(`bytes a record: JSON ${mean(jsonValues).toFixed(0)}, Avro ${mean(avroValues).toFixed(0)}`);
console.log(
  `bytes a record in a block of ${count}: JSON ${jsonBlock.length / count}, Avro ${avroBlock.length / count}`,
);
