/** An app that asks each second, and a probe that reads every health endpoint: what each of them saw. */
import type { NativeSystem } from "./system.ts";

const limitMs = 30_000;

export type AppAsks = { readonly what: string; readonly method: "GET" | "PATCH"; readonly path: string };

/** Of one kind of request. */
export type AppSaw = {
  readonly what: string;
  /** By status, or "none" where there was no answer. */
  readonly answers: ReadonlyMap<string, number>;
  longestMs: number;
  /** When the newest request began that was answered 2xx; ms since the process began. */
  goodMs: number;
};

export type Watch<Seen> = { readonly seen: Seen; stop(): void };

export function watchApps(url: () => string, device: string): Watch<readonly AppSaw[]> {
  const asks: AppAsks[] = [
    { what: "twin", method: "GET", path: `/v1/devices/${device}` },
    { what: "desired state", method: "PATCH", path: `/v1/devices/${device}/shadow` },
    { what: "list", method: "GET", path: "/v1/devices" },
    { what: "history", method: "GET", path: `/v1/devices/${device}/telemetry?metric=n` },
  ];
  let count = 0;
  const seen = asks.map(({ what }) => ({ what, answers: new Map<string, number>(), longestMs: 0, goodMs: 0 }));
  const timer = setInterval(() => {
    count += 1;
    for (const [index, { method, path }] of asks.entries()) {
      const saw = seen[index]!;
      const begunMs = performance.now();
      const body = method === "PATCH" ? JSON.stringify({ state: { desired: { count } } }) : null;
      void ask(`${url()}${path}`, method, body).then((status) => {
        saw.answers.set(status, (saw.answers.get(status) ?? 0) + 1);
        saw.longestMs = Math.max(saw.longestMs, performance.now() - begunMs);
        if (status.startsWith("2")) saw.goodMs = Math.max(saw.goodMs, begunMs);
      });
    }
  }, 1_000);
  return { seen, stop: () => clearInterval(timer) };
}

async function ask(url: string, method: string, body: string | null): Promise<string> {
  try {
    const response = await fetch(url, {
      ...{ method, signal: AbortSignal.timeout(limitMs) },
      ...(body === null ? {} : { body, headers: { "content-type": "application/json" } }),
    });
    await response.text();
    return String(response.status);
  } catch {
    return "none";
  }
}

export type ReadySaw = {
  /** By process: what was failing, or "silent". */
  readonly failing: Map<string, Set<string>>;
  /** Whether every process said lately that it is ready. */
  allReady: boolean;
};

/** Reads /readyz of every role's process twice a second. */
export function watchReady(system: NativeSystem): Watch<ReadySaw> {
  const seen: ReadySaw = { failing: new Map(), allReady: false };
  let stopped = false;
  const look = async () => {
    while (!stopped) {
      const names = system
        .status()
        .flatMap(({ name }) => (/^(gateways|actors|sinks|apis)-\d+$/.test(name) ? [name] : []));
      const said = await Promise.all(names.map(async (name) => [name, await failingOf(urlOf(system, name))] as const));
      if (stopped) return;
      for (const [name, failing] of said) {
        if (failing.length === 0) continue;
        seen.failing.set(name, new Set([...(seen.failing.get(name) ?? []), ...failing]));
      }
      seen.allReady = said.every(([, failing]) => failing.length === 0);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  };
  void look();
  return {
    seen,
    stop() {
      stopped = true;
    },
  };
}

function urlOf(system: NativeSystem, name: string): string {
  try {
    return system.urlOf(name);
  } catch {
    return ""; // taken away meanwhile
  }
}

async function failingOf(url: string): Promise<readonly string[]> {
  if (url === "") return [];
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(4_000) });
    const body = (await response.json()) as { failing: string[]; detail?: string };
    return response.ok ? [] : body.failing.length > 0 ? body.failing : [body.detail ?? "not ready"];
  } catch {
    return ["silent"];
  }
}
