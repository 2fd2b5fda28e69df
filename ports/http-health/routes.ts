/**
 * What an orchestrator asks of a process: whether it works (`/healthz`), whether to send it work (`/readyz`) and what it
 * counts (`/metrics`). Without credentials: no answer holds an address, a name of a device or the text of an error.
 */
import { Hono } from "hono";

/** A part that the process hangs on. */
export type HealthProbe = {
  readonly name: string;
  /** `detail` is for people. A throw, or silence for two seconds, counts as not ok. */
  readonly check: () => Promise<{ ok: boolean; detail?: string }>;
};

export type HealthParts = {
  /** A function where there are more of them after a while. */
  readonly probes: readonly HealthProbe[] | (() => readonly HealthProbe[]);
  /** A prom-client registry. */
  readonly metrics: { metrics(): Promise<string>; readonly contentType: string };
  /** False while it starts and once it closes. */
  readonly ready: () => boolean;
};

const probeMs = 2_000;

/** The routes alone, for a server that has others. */
export function healthRoutes({ probes, metrics, ready }: HealthParts): Hono {
  const app = new Hono();
  const all = typeof probes === "function" ? probes : () => probes;
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    const answers = await Promise.all(all().map(async (probe) => ({ name: probe.name, ...(await askProbe(probe)) })));
    const failing = answers.filter(({ ok }) => !ok).map(({ name }) => name);
    const checks = Object.fromEntries(answers.map(({ name, ...answer }) => [name, answer]));
    if (!ready()) return c.json({ status: "not ready", detail: "starting or closing", failing, checks }, 503);
    if (failing.length > 0) return c.json({ status: "failing", failing, checks }, 503);
    return c.json({ status: "ready", failing, checks });
  });
  app.get("/metrics", async (c) => c.text(await metrics.metrics(), 200, { "content-type": metrics.contentType }));
  return app;
}

/** What the probe says. */
export async function askProbe({ check }: HealthProbe): Promise<{ ok: boolean; detail?: string }> {
  const silent = Promise.withResolvers<{ ok: boolean; detail: string }>();
  const timer = setTimeout(() => silent.resolve({ ok: false, detail: "no answer within 2 s" }), probeMs);
  try {
    return await Promise.race([check(), silent.promise]);
  } catch {
    return { ok: false, detail: "failed; the log says why" };
  } finally {
    clearTimeout(timer);
  }
}
