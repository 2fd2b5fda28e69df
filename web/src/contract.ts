import type { Json, JsonObject } from "../../core/json.ts";
import type { QualityRule } from "../../core/quality/rules.ts";

/** The shapes of the HTTP API and of /v1/live that the dashboard reads. Times are ISO 8601 UTC. */

export type Status = "online" | "offline";

export type PresenceView = {
  status: Status;
  since: string | null;
  lastSeen: string | null;
  connected: boolean;
  flapping: boolean;
};

export type Place = { name?: string; latitude?: number; longitude?: number };

export type Device = PresenceView & {
  id: string;
  type: string;
  region: string;
  location: Place | null;
  tags: Record<string, string>;
  firmwareVersion: string | null;
  createdAt: string;
};

export type ShadowState = { desired?: JsonObject; reported?: JsonObject; delta?: JsonObject };
export type ShadowView = { state: ShadowState; version: number; metadata?: JsonObject };

export type Latest = {
  value: number | boolean | string;
  ts: string;
  receivedAt: string;
  count: number;
  mean: number;
  min: number;
  max: number;
  stddev: number;
};

export type Command = {
  id: string;
  device: string;
  name: string;
  parameters: Json;
  state: string;
  createdAt: string;
  updatedAt: string;
  expiresAt: string | null;
  progress: Json;
  result: Json;
  reason: string | null;
};

export type DeviceDetail = Device & {
  revision: number;
  shadows: Record<string, ShadowView>;
  latest: Record<string, Latest>;
  commands: Command[];
};

export type Page<T> = { items: T[]; next: string | null };
export type DevicePage = Page<Device> & { total: number };

export type DeviceEvent = {
  offset: string | number;
  device: string;
  kind: string;
  at: string;
  [field: string]: unknown;
};

export type Stats = {
  devices: number;
  online: number;
  offline: number;
  flapping: number;
  regions: readonly { region: string; devices: number; online: number }[];
  types: readonly { type: string; devices: number; online: number }[];
  messagesPerSecond: number;
  twinsInMemory: number;
  deadLetters: Record<string, number>;
  sinkLag: Record<string, number>;
};

/** A process, as it says of itself; the dead are there for an hour. Times but `startedAt` are by the store's clock. */
export type Member = {
  id: string;
  name: string;
  role: string;
  version: string;
  address: string;
  startedAt: string;
  seenAt: string;
  alive: boolean;
  status: Record<string, number | string | boolean>;
};

export type Cluster = {
  mode: "embedded" | "distributed";
  members: Member[];
  twinsInMemory: number;
  sinkLag: Record<string, number>;
  placement: { connected: boolean; version: string } | null;
  dependencies: Record<string, { ok: boolean; detail?: string }>;
};

export type MapPoint = [id: string, latitude: number, longitude: number, status: Status];

export type RawPoint = { ts: string; value: number | boolean | string };
export type BucketPoint = { ts: string; count: number; avg: number; min: number; max: number };
export type History =
  | { kind: "raw"; metric: string; from: string; to: string; points: RawPoint[] }
  | { kind: "buckets"; metric: string; from: string; to: string; bucketSeconds: number; points: BucketPoint[] };

/** A message that could not be processed, kept whole; `resend` is what became of sending it again. */
export type DeadLetter = {
  id: string;
  device: string;
  at: string;
  topic: string;
  reason: string;
  detail: string;
  payload: string;
  encoding: "utf8" | "base64";
  type: string;
  region: string;
  broken: { rule: string; metric: string }[];
  /** Whether what comes on its topic can be sent again. */
  sendable: boolean;
  resend: Resend | null;
};
export type Resend = {
  state: "sending" | "sent";
  by: string;
  at: string;
  corrected: boolean;
  tries: number;
  outcome: ResendOutcome | null;
  /** The same in words. */
  detail: string;
};
export type ResendOutcome =
  | { kind: "counted"; accepted: number; duplicates: number; refused: number }
  | { kind: "taken" }
  | { kind: "refused"; detail: string };
export type SentAgainEach = {
  items: { id: string; status: string; detail: string; outcome: ResendOutcome | null }[];
  next: string | null;
};

/** `GET /v1/query`: series in the order asked for, devices first. */
export type QueryAnswer = {
  start: string;
  end: string;
  timezone: string;
  aggregate: string | null;
  interval: string | null;
  series: QueriedSeries[];
};
export type SeriesSource = "raw" | "minute" | "hour" | "archive";
export type QueriedSeries = {
  device_id: string;
  metric: string;
  sources: SeriesSource[];
  downsampling: { method: "lttb" | "minmax" | "newest"; from: number; to: number } | null;
  flagged: number;
} & (
  | { kind: "raw"; points: FlaggedPoint[] }
  | { kind: "intervals"; interval_seconds: number | null; points: IntervalPoint[] }
);
export type FlaggedPoint = RawPoint & { flags?: string[] };
export type IntervalPoint = BucketPoint & { value: number; stddev: number; flagged: number };

/** A query's rows as files in the storage, once or on a schedule. */
export type Export = {
  id: string;
  state: "waiting" | "running" | "done" | "failed" | "scheduled";
  device_id: string[];
  metric: string[];
  start: string | null;
  end: string | null;
  last: string | null;
  timezone: string;
  format: string;
  schedule: string | null;
  createdAt: string;
  nextRunAt: string | null;
  /** Where the files are: a bucket, or a folder. */
  place: string;
  /** Newest first. */
  runs: ExportRun[];
};
export type ExportRun = {
  for: string;
  state: "running" | "done" | "failed";
  startedAt: string;
  rows: number;
  files: { name: string; rows: number; bytes: number; download: string }[];
  error: string | null;
};

/** `GET /v1/quality`; shares from 0 to 1, null where there was nothing to judge. */
export type QualityFigures = {
  messages: number;
  accepted: number;
  /** Of the accepted. */
  flagged: number;
  quarantined: number;
  refused: number;
  duplicates: number;
  readings: number;
  flaggedReadings: number;
  completeness: number | null;
  accuracy: number | null;
  timeliness: number | null;
  delaySeconds: { mean: number; max: number } | null;
  newest: string | null;
  freshnessSeconds: number | null;
};
export type QualityReport = {
  from: string;
  to: string;
  intervalSeconds: number;
  /** Why there is nothing, if there is nothing. */
  detail: string | null;
  totals: QualityFigures;
  points: (QualityFigures & { ts: string })[];
  groups: (QualityFigures & { type: string; region: string })[];
  rules: QualityRuleRow[];
};
export type QualityRuleRow = {
  rule: string;
  outcome: "flagged" | "quarantined" | "refused";
  messages: number;
  share: number | null;
  points: { ts: string; messages: number }[];
};

/** The rules of a device type: its own, and all that hold, the defaults among them. */
export type TypeQuality = {
  type: string;
  rules: Record<string, QualityRule>;
  effective: Record<string, QualityRule>;
};

export type Registration = {
  id?: string;
  type?: string;
  region?: string;
  location?: Place | null;
  tags?: Record<string, string | null>;
  firmwareVersion?: string | null;
};

export type LiveMessage =
  | ({ type: "presence"; device: string } & PresenceView)
  | { type: "telemetry"; device: string; ts: string; readings: Record<string, number | boolean | string> }
  | { type: "shadow"; device: string; shadow: string; version: number; state: ShadowState | null }
  | { type: "command"; device: string; command: string; name: string | null; state: string }
  | ({ type: "stats" } & Stats)
  | { type: "resync" }
  | { type: "error"; detail: string };
