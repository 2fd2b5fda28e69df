/** The sink over a store that fails, is slow or full: it waits, and then everything is there once. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { TwinRecord } from "../../core/device/records.ts";
import { openParquetArchive } from "../../ports/archive/parquet.ts";
import { type FaultPlan, faultyStore } from "../../ports/object-store/faulty.ts";
import { openFolderStore } from "../../ports/object-store/folder.ts";
import { openMemoryObjectStore } from "../../ports/object-store/memory.ts";
import { type ObjectStore, StoreAway } from "../../ports/object-store/port.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { testDatabase } from "../../ports/postgres/testing.ts";
import { type Consumer, openConsumer } from "../consumer.ts";
import { archiveTarget } from "./run.ts";

const noonMs = Date.UTC(2026, 10, 21, 12);
const count = 600;
/** 512 characters that no compression makes small. */
const noiseText = (seed: number) =>
  [1, 2, 3, 4].map((part) => createHash("sha512").update(`${seed}/${part}`).digest("hex")).join("");
const log = Array.from({ length: count }, (_, offset) => {
  const readings = { noise: Math.sin(offset * 7.3), text: noiseText(offset) };
  const record = {
    kind: "telemetry",
    atMs: noonMs,
    tsMs: noonMs + offset,
    readings,
    identity: {},
  } as unknown as TwinRecord;
  return { offset, entry: { device: `pump-${offset % 3}`, record } };
});
const reader = {
  read: async (from: number, atMost: number) => {
    const entries = log.slice(from, from + Math.min(atMost, 50));
    return { entries, next: from + entries.length };
  },
};

async function sinkOver(store: ObjectStore) {
  const database = await testDatabase();
  const pool = openPool(database.url, { max: 4 });
  onTestFinished(async () => {
    await pool.end();
    await database.close();
  });
  const archive = await openParquetArchive(pool, store, { now: () => noonMs });
  const target = archiveTarget(archive, { maxRows: 200, maxAgeMs: 60_000, now: () => noonMs });
  return { archive, target, consumer: openConsumer(reader as never, target) };
}

async function run(consumer: Consumer, until: "idle" | "failed"): Promise<void> {
  for (let steps = 0; steps < 200; steps += 1) if ((await consumer.step()).kind === until) return;
  throw new Error(`The sink is never ${until}.`);
}

async function expectWhole({ archive, target }: Awaited<ReturnType<typeof sinkOver>>): Promise<void> {
  await target.close!();
  expect(await archive.progressIn("")).toBe(count);
  const found: number[] = [];
  for (const device of ["pump-0", "pump-1", "pump-2"]) {
    const range = { device, metric: "noise", fromMs: 0, toMs: noonMs * 2 };
    for await (const batch of archive.readings(range)) found.push(...batch.map(({ offset }) => offset));
  }
  expect(found.sort((a, b) => a - b)).toEqual(log.map(({ offset }) => offset));
  const rows = (await archive.files({ fromMs: 0, toMs: noonMs * 2 })).reduce((sum, file) => sum + file.rows, 0);
  expect(rows).toBe(count * 2);
}

test("a store that is away makes the sink wait, told with the reason, and it catches up", async () => {
  let isAway = true;
  const plan: FaultPlan = () => (isAway ? { kind: "refused", error: new StoreAway("s3://fleet is away.") } : null);
  const sink = await sinkOver(faultyStore(openMemoryObjectStore(), plan));
  await run(sink.consumer, "failed");
  expect(sink.consumer.stats().error).toBe("s3://fleet is away.");
  for (let tries = 0; tries < 5; tries += 1) await sink.consumer.step();
  expect(await sink.archive.progressIn("")).toBe(0);
  isAway = false;
  await run(sink.consumer, "idle");
  await expectWhole(sink);
});

test("answers that are lost and calls that fail now and then cost no reading and double none", async () => {
  let calls = 0;
  let isOver = false;
  const plan: FaultPlan = () => {
    calls += 1;
    if (isOver) return null;
    return calls % 3 === 0 ? { kind: "answerLost" } : calls % 4 === 0 ? { kind: "refused" } : null;
  };
  const store = openMemoryObjectStore();
  const sink = await sinkOver(faultyStore(store, plan));
  await run(sink.consumer, "idle");
  expect(calls).toBeGreaterThan(8);
  isOver = true;
  await expectWhole(sink);
});

test("a full disk makes the sink wait until there is room", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "doppel-full-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], { stdio: "ignore" });
  } catch {
    console.warn("SKIPPED: a full disk, because this process may not mount a small one.");
    return context.skip();
  }
  onTestFinished(() => void execFileSync("umount", ["-l", folder]));
  const sink = await sinkOver(await openFolderStore(folder));
  await run(sink.consumer, "failed");
  expect(sink.consumer.stats().error).toContain("The disk is full");
  execFileSync("mount", ["-o", "remount,size=8m", folder]);
  await run(sink.consumer, "idle");
  await expectWhole(sink);
});
