import { type ExportJob, type Exports, nextRun, withRun } from "./port.ts";

type Stored = { job: ExportJob; lease: { token: string; untilMs: number } | null; place: number };

/** Exports in this process: for tests and the smallest of set-ups. */
export function openMemoryExports(): Exports {
  const jobs = new Map<string, Stored>();
  let made = 0;
  const newestFirst = () => [...jobs.values()].sort((a, b) => b.place - a.place);

  return {
    async create(job) {
      jobs.set(job.id, { job: { ...job, runs: [] }, lease: null, place: ++made });
    },
    read: async (id) => jobs.get(id)?.job ?? null,
    async list({ after, limit }) {
      const before = after === null ? Number.POSITIVE_INFINITY : (jobs.get(after)?.place ?? 0);
      return newestFirst()
        .filter(({ place }) => place < before)
        .slice(0, limit)
        .map(({ job }) => job);
    },
    count: async () => jobs.size,
    remove: async (id) => jobs.delete(id),
    async claim(token, nowMs, leaseMs) {
      const [found] = [...jobs.values()]
        .filter(
          ({ job, lease }) => job.due !== null && job.due.atMs <= nowMs && (lease === null || lease.untilMs <= nowMs),
        )
        .sort((a, b) => a.job.due!.atMs - b.job.due!.atMs);
      if (found === undefined) return null;
      const run = nextRun(found.job, nowMs);
      found.job = { ...found.job, runs: withRun(found.job.runs, run) };
      found.lease = { token, untilMs: nowMs + leaseMs };
      return { job: found.job, run, token };
    },
    async renew({ job, token }, untilMs) {
      const found = jobs.get(job.id);
      if (found?.lease?.token !== token) return false;
      found.lease = { token, untilMs };
      return true;
    },
    async settle({ job, run, token }, ended, due) {
      const found = jobs.get(job.id);
      if (found?.lease?.token !== token) return false;
      found.job = { ...found.job, due, runs: withRun(found.job.runs, { ...run, ended }) };
      found.lease = null;
      return true;
    },
  };
}
