import type { Export } from "../src/contract.ts";

/** Made-up exports: each time that they are listed, those under way get one step further. */
export function madeUpExports(nowMs: () => number) {
  let exports: Export[] = [];
  let ids = 0;
  const iso = (ms: number) => new Date(ms).toISOString();
  const advance = (one: Export): Export => {
    if (one.state === "waiting") return { ...one, state: "running" };
    if (one.state !== "running") return one;
    const name = `20261121T120000Z-1-00001.${one.format}`;
    const file = { name, rows: 86_400, bytes: 310_000, download: `/v1/exports/${one.id}/files/${name}` };
    const run = { for: one.createdAt, startedAt: one.createdAt, rows: 86_400, error: null };
    return { ...one, state: "done", runs: [{ ...run, state: "done", files: [file] }] };
  };
  return {
    list() {
      exports = exports.map(advance);
      return { items: exports, next: null };
    },
    make(asked: Partial<Export>): Export {
      const { device_id = [], metric = [], start = null, end = null, last = null } = asked;
      const { timezone = "UTC", format = "parquet", schedule = null } = asked;
      const made: Export = {
        id: `export-${++ids}`,
        state: schedule === null ? "waiting" : "scheduled",
        ...{ device_id, metric, start, end, last, timezone, format, schedule },
        createdAt: iso(nowMs()),
        nextRunAt: schedule === null ? null : iso(nowMs() + 3_600_000),
        place: "s3://telemetry",
        runs: [],
      };
      exports = [made, ...exports];
      return made;
    },
    remove(id: string): void {
      exports = exports.filter((one) => one.id !== id);
    },
  };
}
