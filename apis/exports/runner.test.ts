import { describe, expect, test } from "vitest";
import { openMemoryExports } from "../../ports/exports/memory.ts";
import type { ExportSpec } from "../../ports/exports/port.ts";
import { openMemoryObjectStore } from "../../ports/object-store/memory.ts";
import { StoreAway } from "../../ports/object-store/port.ts";
import { openMemoryQueryCache } from "../../ports/query-cache/memory.ts";
import { openHistory } from "../history/service.ts";
import { aWorld } from "../history/testing.ts";
import { writeFiles } from "./files.ts";
import { openExportRunner } from "./runner.ts";
import { dueAfter, nextTime, rangeFor, scheduleFault } from "./schedule.ts";

const nowMs = Date.UTC(2026, 10, 21, 12);
const hour = 3_600_000;
const aSpec: ExportSpec = {
  ...{ devices: ["pump-4"], metrics: ["temperature"], interval: null, aggregate: null, timeZone: "UTC" },
  ...{ range: { kind: "last", period: "day" }, format: "csv", schedule: null },
};

function aSystem() {
  const rows = Array.from({ length: 48 }, (_, n) => ({
    tsMs: nowMs - (48 - n) * hour,
    offset: n,
    value: n,
    flags: null,
  }));
  const world = aWorld(rows);
  const history = openHistory({
    ...{ series: world.series, archive: world.archive, cache: openMemoryQueryCache() },
    fleet: { device: async () => null },
  });
  const jobs = openMemoryExports();
  const files = openMemoryObjectStore();
  const warned: string[] = [];
  let ms = nowMs;
  let tokens = 0;
  const open = () =>
    openExportRunner({
      ...{ jobs, files, history, now: () => ms, newToken: () => `token-${++tokens}` },
      log: { warn: (_, message) => warned.push(message), error: (_, message) => warned.push(message) },
    });
  return {
    ...{ world, history, jobs, files, warned, open, runner: open() },
    pass: (byMs: number) => {
      ms += byMs;
    },
    keys: async () => {
      const keys: string[] = [];
      for await (const { key } of files.list("exports/")) keys.push(key);
      return keys;
    },
    create: (spec: Partial<ExportSpec> = {}) =>
      jobs.create({ id: "e1", spec: { ...aSpec, ...spec }, createdAtMs: nowMs, due: { atMs: nowMs, forMs: nowMs } }),
  };
}

describe("an export", () => {
  test("is written when it is due, once", async () => {
    const { runner, create, jobs, files, keys } = aSystem();
    await create();
    await runner.runDue();
    await runner.runDue();
    expect(await keys()).toEqual(["exports/e1/20261121T120000Z-1-00001.csv"]);
    const lines = Buffer.from(await files.get("exports/e1/20261121T120000Z-1-00001.csv"))
      .toString()
      .trimEnd()
      .split("\r\n");
    expect(lines).toHaveLength(1 + 24);
    expect(lines[1]).toBe("pump-4,temperature,2026-11-20T00:00:00.000Z,12,");
    const job = (await jobs.read("e1"))!;
    expect(job.due).toBeNull();
    expect(job.runs).toMatchObject([
      { attempt: 1, ended: { kind: "done", files: [{ rows: 24, bytes: expect.any(Number) }] } },
    ]);
  });

  test("is made again on its schedule, each for its own time", async () => {
    const { runner, create, jobs, keys, pass } = aSystem();
    await create({ schedule: "0 6 * * *", interval: "1h", format: "ndjson" });
    await runner.runDue();
    expect((await jobs.read("e1"))!.due).toEqual({ atMs: Date.UTC(2026, 10, 22, 6), forMs: Date.UTC(2026, 10, 22, 6) });
    pass(48 * hour);
    await runner.runDue();
    expect(await keys()).toEqual([
      "exports/e1/20261121T120000Z-1-00001.ndjson",
      "exports/e1/20261122T060000Z-1-00001.ndjson",
      "exports/e1/20261123T060000Z-1-00001.ndjson",
    ]);
  });

  test("that fails for a while is tried again, and is told when it fails too often", async () => {
    const { runner, create, jobs, files, warned, pass } = aSystem();
    await create({ schedule: "0 6 * * *" });
    const put = files.put;
    Object.assign(files, { put: () => Promise.reject(new StoreAway("The store is full.")) });
    await runner.runDue();
    expect((await jobs.read("e1"))!.due).toEqual({ atMs: nowMs + 30_000, forMs: nowMs });
    for (let n = 0; n < 8; n += 1) {
      pass(hour);
      await runner.runDue();
    }
    const failed = (await jobs.read("e1"))!;
    expect(failed.runs).toMatchObject([{ attempt: 5, ended: { kind: "failed", error: "The store is full." } }]);
    expect(failed.due!.forMs).toBe(Date.UTC(2026, 10, 22, 6));
    expect(warned).toHaveLength(5);
    Object.assign(files, { put });
    pass(24 * hour);
    await runner.runDue();
    expect((await jobs.read("e1"))!.runs[0]).toMatchObject({ attempt: 1, ended: { kind: "done" } });
  });

  test("that cannot be made at all is not tried again", async () => {
    const { runner, create, jobs, world } = aSystem();
    await create();
    Object.assign(world.series, { coverage: () => Promise.reject(new Error("a fault of ours")) });
    await runner.runDue();
    expect(await jobs.read("e1")).toMatchObject({
      due: null,
      runs: [{ ended: { kind: "failed", error: "a fault of ours" } }],
    });
  });

  test("whose process died is taken up, and what the dead one left goes", async () => {
    const { runner, create, jobs, files, keys, history, pass } = aSystem();
    await create();
    const dead = (await jobs.claim("dead", nowMs, 60_000))!;
    const query = { ...aSpec, interval: null, fromMs: 0, toMs: nowMs };
    const stream = history.stream(query, new AbortController().signal);
    await writeFiles(files, dead, stream, { format: "csv", table: { kind: "raw" } });
    await runner.runDue();
    expect((await jobs.read("e1"))!.runs[0]!.ended).toBeNull();
    pass(60_000);
    await runner.runDue();
    expect(await keys()).toEqual(["exports/e1/20261121T120000Z-2-00001.csv"]);
    expect((await jobs.read("e1"))!.runs).toMatchObject([{ attempt: 2, ended: { kind: "done" } }]);
  });

  test("under way when the process ends is given back, and the next one makes it", async () => {
    const { runner, create, jobs, world, open } = aSystem();
    await create();
    const coverage = world.series.coverage;
    const begun = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    Object.assign(world.series, {
      coverage: async (...of: Parameters<typeof coverage>) => {
        begun.resolve();
        await held.promise;
        return coverage(...of);
      },
    });
    const running = runner.runDue();
    await begun.promise;
    const closed = runner.close();
    held.resolve();
    await Promise.all([running, closed]);
    expect(await jobs.read("e1")).toMatchObject({ due: { atMs: nowMs }, runs: [{ ended: { kind: "failed" } }] });
    await open().runDue();
    expect((await jobs.read("e1"))!.runs).toMatchObject([{ attempt: 2, ended: { kind: "done" } }]);
  });

  test("deleted while it was made leaves no files", async () => {
    const { runner, create, jobs, files, keys } = aSystem();
    await create();
    const put = files.put;
    Object.assign(files, {
      put: async (...of: Parameters<typeof put>) => {
        await jobs.remove("e1");
        return put(...of);
      },
    });
    await runner.runDue();
    expect(await keys()).toEqual([]);
  });

  test("of many rows goes into several files, and one of none into one", async () => {
    const { create, jobs, files, history } = aSystem();
    await create();
    const claim = (await jobs.claim("x", nowMs, 1))!;
    async function* batches() {
      for (let n = 0; n < 10; n += 1) {
        const readings = Array.from({ length: 40 }, (_, m) => ({
          tsMs: n * 100 + m,
          offset: m,
          value: m,
          flags: null,
        }));
        yield { device: "pump-4", metric: "t", kind: "raw" as const, readings };
      }
    }
    const options = { format: "parquet", table: { kind: "raw" }, maxRows: 100 } as const;
    const written = await writeFiles(files, claim, batches(), options);
    expect(written.map(({ rows }) => rows)).toEqual([80, 80, 80, 80, 80]);
    const nothing = history.stream({ ...aSpec, interval: null, fromMs: 0, toMs: 1 }, new AbortController().signal);
    expect(await writeFiles(files, claim, nothing, { ...options, format: "csv" })).toMatchObject([{ rows: 0 }]);
  });
});

describe("a schedule", () => {
  test("is meant in its time zone", () => {
    expect(new Date(nextTime("0 6 * * *", "Europe/Berlin", nowMs)!).toISOString()).toBe("2026-11-22T05:00:00.000Z");
    expect([scheduleFault("0 6 * * *"), scheduleFault("often")]).toEqual([null, expect.any(String)]);
    expect(scheduleFault("* * * * * *")).not.toBeNull();
  });

  test("does not make up for more than a week", () => {
    const due = dueAfter({ ...aSpec, schedule: "0 * * * *" }, Date.UTC(2020, 0), nowMs)!;
    expect(due.forMs).toBe(nowMs - 7 * 24 * hour + hour);
  });

  test("its ranges are whole hours, days, weeks and months before it", () => {
    const range = (period: "hour" | "day" | "week" | "month", timeZone = "Europe/Berlin") => {
      const { fromMs, toMs } = rangeFor({ range: { kind: "last", period }, timeZone }, nowMs);
      return [fromMs, toMs].map((ms) => new Date(ms).toISOString().slice(0, 16)).join(" ");
    };
    expect(range("hour")).toBe("2026-11-21T11:00 2026-11-21T12:00");
    expect(range("day")).toBe("2026-11-19T23:00 2026-11-20T23:00");
    expect(range("week")).toBe("2026-11-08T23:00 2026-11-15T23:00");
    expect(range("month")).toBe("2026-09-30T22:00 2026-10-31T23:00");
  });
});
