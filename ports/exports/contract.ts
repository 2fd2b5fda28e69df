import { describe, expect, onTestFinished, test } from "vitest";
import { type ExportJob, type ExportSpec, type Exports, keptRuns } from "./port.ts";

const nowMs = Date.UTC(2026, 10, 21, 12);
const leaseMs = 60_000;

export const anExportSpec: ExportSpec = {
  devices: ["pump-4"],
  metrics: ["größe \u0000"],
  range: { kind: "fixed", fromMs: 0, toMs: nowMs },
  ...{ interval: null, aggregate: null, timeZone: "UTC", format: "parquet", schedule: null },
};
const aJob = (id: string, different: Partial<ExportJob> = {}) => ({
  ...{ id, spec: anExportSpec, createdAtMs: nowMs, due: { atMs: nowMs, forMs: nowMs } },
  ...different,
});
const done = { atMs: nowMs + 5, kind: "done", files: [{ key: "exports/a/1.csv", rows: 3, bytes: 100 }] } as const;

/** The promises of `Exports` (E1, E2), for every implementation. */
export function exportsContract(
  name: string,
  open: () => Promise<{ readonly exports: Exports; close(): Promise<void> }>,
): void {
  async function opened(): Promise<Exports> {
    const { exports, close } = await open();
    onTestFinished(close);
    return exports;
  }

  describe(`${name} as Exports`, () => {
    test("what was asked for is listed, newest first and in pages", async () => {
      const exports = await opened();
      for (const id of ["b", "a", "c"]) await exports.create(aJob(id, id === "a" ? { due: null } : {}));
      expect((await exports.list({ after: null, limit: 2 })).map(({ id }) => id)).toEqual(["c", "a"]);
      expect((await exports.list({ after: "a", limit: 2 })).map(({ id }) => id)).toEqual(["b"]);
      expect(await exports.list({ after: "b", limit: 2 })).toEqual([]);
      expect(await exports.read("b")).toEqual({ ...aJob("b"), runs: [] });
      expect((await exports.read("a"))!.due).toBeNull();
      expect([await exports.read("d"), await exports.count()]).toEqual([null, 3]);
    });

    test("a due run is claimed once, the longest due first", async () => {
      const exports = await opened();
      await exports.create(aJob("later", { due: { atMs: nowMs - 1, forMs: nowMs } }));
      await exports.create(aJob("sooner", { due: { atMs: nowMs - 2, forMs: nowMs } }));
      await exports.create(aJob("not yet", { due: { atMs: nowMs + 1, forMs: nowMs } }));
      const claims = await Promise.all(["x", "y", "z"].map((token) => exports.claim(token, nowMs, leaseMs)));
      expect(claims.flatMap((claim) => (claim === null ? [] : [claim.job.id])).sort()).toEqual(["later", "sooner"]);
      const run = { forMs: nowMs, attempt: 1, startedAtMs: nowMs, ended: null };
      expect((await exports.read("sooner"))!.runs).toEqual([run]);
      expect((await exports.claim("x", nowMs + 1, leaseMs))!.job.id).toBe("not yet");
      expect(await exports.claim("x", nowMs + 1, leaseMs)).toBeNull();
    });

    test("a run ends once, with its files and when it is due next", async () => {
      const exports = await opened();
      await exports.create(aJob("a"));
      const claim = (await exports.claim("x", nowMs, leaseMs))!;
      const due = { atMs: nowMs + 100, forMs: nowMs + 100 };
      expect(await exports.settle(claim, done, due)).toBe(true);
      expect(await exports.settle(claim, done, due)).toBe(false);
      expect(await exports.read("a")).toEqual({
        ...aJob("a", { due }),
        runs: [{ forMs: nowMs, attempt: 1, startedAtMs: nowMs, ended: done }],
      });
    });

    test("a run whose process has died is taken up as another attempt, and the first one comes too late", async () => {
      const exports = await opened();
      await exports.create(aJob("a"));
      const first = (await exports.claim("x", nowMs, leaseMs))!;
      expect(await exports.renew(first, nowMs + 2 * leaseMs)).toBe(true);
      expect(await exports.claim("y", nowMs + 2 * leaseMs - 1, leaseMs)).toBeNull();
      const second = (await exports.claim("y", nowMs + 2 * leaseMs, leaseMs))!;
      expect(second.run).toMatchObject({ forMs: nowMs, attempt: 2 });
      expect(await exports.renew(first, nowMs + 9 * leaseMs)).toBe(false);
      expect(await exports.settle(first, done, null)).toBe(false);
      expect(await exports.settle(second, { atMs: nowMs, kind: "failed", error: "no" }, null)).toBe(true);
      expect((await exports.read("a"))!.runs).toMatchObject([{ attempt: 2, ended: { kind: "failed" } }]);
    });

    test("what was removed is neither claimed nor settled", async () => {
      const exports = await opened();
      await exports.create(aJob("a"));
      await exports.create(aJob("b"));
      const claim = (await exports.claim("x", nowMs, leaseMs))!;
      expect([await exports.remove("a"), await exports.remove("b"), await exports.remove("b")]).toEqual([
        true,
        true,
        false,
      ]);
      expect([await exports.renew(claim, nowMs), await exports.settle(claim, done, null)]).toEqual([false, false]);
      expect(await exports.claim("y", nowMs, leaseMs)).toBeNull();
    });

    test("the newest runs are kept", async () => {
      const exports = await opened();
      await exports.create(aJob("a"));
      for (let n = 1; n <= keptRuns + 5; n += 1) {
        const claim = (await exports.claim("x", nowMs + n, leaseMs))!;
        await exports.settle(claim, done, { atMs: nowMs + n, forMs: nowMs + n });
      }
      const { runs } = (await exports.read("a"))!;
      expect([runs.length, runs[0]!.forMs]).toEqual([keptRuns, nowMs + keptRuns + 4]);
    });
  });
}
