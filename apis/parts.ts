import type { TwinHost } from "../actors/host/port.ts";
import { defaultPolicy, type TwinPolicy } from "../core/device/policy.ts";
import type { Principal } from "../gateways/mqtt/broker-port.ts";
import type { DeviceApplication } from "../gateways/mqtt/device-application.ts";
import type { Credentials } from "../ports/credentials/port.ts";
import type { DeviceTypes } from "../ports/device-types/port.ts";
import type { Exports } from "../ports/exports/port.ts";
import type { FleetIndex } from "../ports/fleet-index/port.ts";
import type { HealthProbe } from "../ports/http-health/routes.ts";
import type { ObjectStore } from "../ports/object-store/port.ts";
import type { QualityStats } from "../ports/quality-stats/port.ts";
import type { Resends } from "../ports/resends/port.ts";
import type { SinkDeadLetters } from "../ports/sink-dead-letters/port.ts";
import type { TimeSeries } from "../ports/time-series/port.ts";
import type { ClusterState } from "./cluster.ts";
import type { FleetStatistics } from "./fleet-statistics.ts";
import type { History } from "./history/service.ts";

/** What the API is made of; it owns none of it, and closes none of it. */
export type ApiParts = {
  readonly host: TwinHost;
  readonly fleet: FleetIndex;
  readonly series: TimeSeries;
  /** Time series, aggregates and archive as one. */
  readonly history: History;
  /** Null: there is no place for files. `wake`: something is due, look now. */
  readonly exports: { readonly jobs: Exports; readonly files: ObjectStore; readonly wake: () => void } | null;
  readonly quality: QualityStats;
  readonly resends: Resends;
  readonly sinkDeadLetters: SinkDeadLetters;
  readonly credentials: Credentials;
  readonly deviceTypes: DeviceTypes;
  /** Ends the MQTT connections of a device or app, wherever they are; `reason` in plain words. */
  readonly endConnections: (principal: Principal, reason: string) => void;
  /** The processes that make up the system, and how far the sinks are. */
  readonly cluster: () => Promise<ClusterState>;
  /** A publish by an app, as if it were connected: it reaches twins and subscribers alike, and is durable when told. */
  readonly publishFromApp: DeviceApplication["publishFromApp"];
  readonly probes: readonly HealthProbe[];
  /** False while the process starts or ends; absent: true. */
  readonly ready?: () => boolean;
  /** A prom-client registry. */
  readonly metrics: { metrics(): Promise<string>; readonly contentType: string };
  /** Epoch ms. */
  readonly now: () => number;
  /** A new id for a command. */
  readonly newId: () => string;
  /** A pino logger. Payloads and secrets never go there. */
  readonly log: { error(fields: object, message: string): void; warn(fields: object, message: string): void };
  readonly config: ApiConfig;
};

/** The API's slice of the configuration. */
export type ApiConfig = {
  /** Every request needs an API key. Without it the API listens on loopback only. */
  readonly requireCredentials: boolean;
  /** What holds for device types that have no numbers of their own. */
  readonly basePolicy: TwinPolicy;
  /** Folder of the built dashboard; null serves none. */
  readonly dashboardRoot: string | null;
  /** Origins besides our own whose pages may change things, such as "http://127.0.0.1:5173". */
  readonly allowedOrigins: readonly string[];
  /** Most bytes of a request's body, imports excepted. */
  readonly maxBodyBytes: number;
  /** Most bytes, and most lines, of an import. */
  readonly maxImportBytes: number;
  readonly maxImportLines: number;
  /** A request that takes longer than this is answered 503; imports excepted. */
  readonly requestTimeoutMs: number;
  /** Most WebSocket connections at a time. */
  readonly maxLiveConnections: number;
};

export const defaultApiConfig: ApiConfig = {
  requireCredentials: false,
  basePolicy: defaultPolicy,
  dashboardRoot: null,
  allowedOrigins: [],
  maxBodyBytes: 1_048_576,
  maxImportBytes: 268_435_456,
  maxImportLines: 1_000_000,
  requestTimeoutMs: 30_000,
  maxLiveConnections: 1_000,
};

/** Who asks. Roles will hang here: a handler sees the caller as `c.var.caller`. */
export type Caller =
  /** Credentials are not required; whoever reaches loopback. */
  { readonly kind: "anyone" } | { readonly kind: "app"; readonly name: string };

/** What Hono's context carries. */
export type ApiEnv = { Variables: { caller: Caller; statistics: FleetStatistics } };
