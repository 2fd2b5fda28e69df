/** The API over the real embedded host with everything in memory, for tests. */
import { type EmbeddedHost, openEmbeddedHost } from "../actors/host/embedded.ts";
import { policyWith } from "../core/device/policy.ts";
import type { Broker } from "../gateways/mqtt/broker-port.ts";
import { openDeviceApplication } from "../gateways/mqtt/device-application.ts";
import { openMemoryCredentials } from "../ports/credentials/memory.ts";
import { openMemoryDeviceTypes } from "../ports/device-types/memory.ts";
import { openPolicies } from "../ports/device-types/policies.ts";
import { openMemoryLog } from "../ports/event-log/memory.ts";
import { openMemoryExports } from "../ports/exports/memory.ts";
import { memoryFleetIndex } from "../ports/fleet-index/memory.ts";
import type { DeviceEvent } from "../ports/fleet-index/port.ts";
import { openMemoryObjectStore } from "../ports/object-store/memory.ts";
import { memoryQualityStats } from "../ports/quality-stats/memory.ts";
import { openMemoryQueryCache } from "../ports/query-cache/memory.ts";
import { memoryResends } from "../ports/resends/memory.ts";
import { memorySinkDeadLetters } from "../ports/sink-dead-letters/memory.ts";
import { memoryTimeSeries } from "../ports/time-series/memory.ts";
import { openMemoryTwinStore } from "../ports/twin-store/memory.ts";
import { apiApp } from "./app.ts";
import { clusterOfOne } from "./cluster-of-one.ts";
import { openExportRunner } from "./exports/runner.ts";
import { FleetStatistics } from "./fleet-statistics.ts";
import { openHistory } from "./history/service.ts";
import { type ApiConfig, type ApiParts, defaultApiConfig } from "./parts.ts";

export type TestApi = {
  readonly parts: ApiParts;
  readonly host: EmbeddedHost;
  /** What went to the broker. */
  readonly published: Parameters<Broker["publish"]>[0][];
  /** Reasons with which connections were ended. */
  readonly disconnected: string[];
  /** What was logged as an error. */
  readonly errors: object[];
  /** Brings the fleet index and the time series up to the log. */
  project(): Promise<void>;
  /** Makes the exports that are due. */
  exported(): Promise<void>;
  /** A request by a program on this machine; a body that is no string or bytes goes as JSON. */
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** What a server is given. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** The same, with the answer's JSON. */
  json(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
    // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of the answer
  ): Promise<{ status: number; body: any; headers: Headers }>;
  close(): Promise<void>;
};

/** `now` stands still unless the test moves it. */
export async function openTestApi(
  options: { config?: Partial<ApiConfig>; parts?: Partial<ApiParts>; openRegistry?: boolean; now?: () => number } = {},
): Promise<TestApi> {
  const now = options.now ?? (() => 1_795_262_400_000);
  const errors: object[] = [];
  const published: TestApi["published"] = [];
  const disconnected: string[] = [];
  const deviceTypes = openMemoryDeviceTypes();
  const policies = await openPolicies(policyWith(undefined), deviceTypes);
  const log = openMemoryLog(undefined, now);
  const host = await openEmbeddedHost({
    log,
    store: openMemoryTwinStore(),
    now,
    nodeId: "test",
    policyOf: policies.of,
    rulesOf: policies.rulesOf,
    openRegistry: options.openRegistry ?? true,
    flushMs: 0,
    checkpointMs: 60_000,
    idleMs: 600_000,
    maxTwins: 100_000,
    logger: { error: (about) => errors.push(about) },
  });
  const broker: Broker = {
    publish(message) {
      published.push(message);
      return 1;
    },
    disconnect(_match, reason) {
      disconnected.push(reason);
      return 1;
    },
    connections: () => 0,
  };
  const ignore = () => {};
  const meter = {
    received: ignore,
    telemetry: ignore,
    acknowledged: ignore,
    refused: ignore,
    connectionRefused: ignore,
    violation: ignore,
  };
  const openRegistry = options.openRegistry ?? true;
  const application = openDeviceApplication({ host, credentials: null, openRegistry, nodeId: "test", now, meter });
  application.attach(broker);
  const fleet = memoryFleetIndex();
  const series = memoryTimeSeries();
  let ids = 0;
  const history = openHistory({ series, archive: null, fleet, cache: openMemoryQueryCache() });
  const [jobs, files] = [openMemoryExports(), openMemoryObjectStore()];
  const parts: ApiParts = {
    host: {
      ask: (device, input) => host.ask(device, input),
      deliver: (device, input, done) => host.deliver(device, input, done),
      onCommitted: (listener) => host.onCommitted(listener),
      stats: () => host.stats(),
      policiesChanged: async () => {
        await policies.reload();
        await host.policiesChanged();
      },
    },
    fleet,
    series,
    history,
    exports: { jobs, files, wake: () => {} },
    quality: memoryQualityStats(),
    resends: memoryResends(),
    sinkDeadLetters: memorySinkDeadLetters(),
    credentials: openMemoryCredentials(),
    deviceTypes,
    publishFromApp: application.publishFromApp,
    endConnections: (_principal, reason) => disconnected.push(reason),
    cluster: () =>
      clusterOfOne({
        host,
        sinks: { timeseries: series, fleet },
        now,
        startedAtMs: now(),
        id: "test",
        address: "http://127.0.0.1",
      }),
    probes: [{ name: "log", check: async () => ({ ok: true }) }],
    metrics: { metrics: async () => "doppel_up 1\n", contentType: "text/plain; version=0.0.4; charset=utf-8" },
    now,
    newId: () => `id-${++ids}`,
    log: { error: (about) => errors.push(about), warn: () => {} },
    config: { ...defaultApiConfig, ...options.config },
    ...options.parts,
  };
  const exporting = openExportRunner({ jobs, files, history, now, newToken: () => `token-${++ids}`, log: parts.log });
  const statistics = new FleetStatistics(parts);
  host.onCommitted((turns) => statistics.count(turns));
  const app = apiApp(parts, statistics);

  const request: TestApi["request"] = async (method, path, body, headers = {}) => {
    const raw = body === undefined || typeof body === "string" || body instanceof Uint8Array;
    const type = body === undefined || "content-type" in headers ? {} : { "content-type": "application/json" };
    return app.request(`http://127.0.0.1:8080${path}`, {
      method,
      headers: { ...type, ...headers },
      ...(body !== undefined && { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
    });
  };

  return {
    parts,
    host,
    published,
    disconnected,
    errors,
    exported: () => exporting.runDue(),
    async project() {
      const from = await fleet.progress();
      const { entries, next } = await log.read(from, 1_000_000);
      const events = entries.map(({ offset, entry }): DeviceEvent => ({ offset, ...entry }));
      await fleet.apply(events, { from, to: next });
      const rows = events.flatMap(({ device, offset, record }) =>
        record.kind === "telemetry"
          ? Object.entries(record.readings).map(([metric, value]) => ({
              device,
              tsMs: record.tsMs,
              metric,
              value,
              tags: record.tags ?? null,
              receivedAtMs: record.atMs,
              offset,
              flags: record.flags?.[metric] ?? record.flags?.[""] ?? null,
              type: record.type ?? "default",
              region: record.region ?? "",
            }))
          : [],
      );
      await series.write(rows, { from: await series.progress(), to: next });
    },
    request,
    fetch: (request) => app.fetch(request),
    async json(method, path, body, headers) {
      const response = await request(method, path, body, headers);
      const text = await response.text();
      return { status: response.status, body: text === "" ? null : JSON.parse(text), headers: response.headers };
    },
    close: () => host.close(),
  };
}
