import type { Json } from "../../core/json.ts";
import { apiKey, keyWanted } from "./api-key.ts";
import type {
  Cluster,
  Command,
  DeadLetter,
  Device,
  DeviceDetail,
  DeviceEvent,
  DevicePage,
  Export,
  History,
  MapPoint,
  Page,
  QualityReport,
  QueryAnswer,
  Registration,
  SentAgainEach,
  ShadowView,
  Stats,
  TypeQuality,
} from "./contract.ts";
import { problemFrom } from "./problem.ts";

/** The server's /v1 API. Every call throws `Problem` (or the browser's error when there is no answer). */
export const api = {
  stats: (signal?: AbortSignal) => get<Stats>("/v1/stats", signal),
  cluster: (signal?: AbortSignal) => get<Cluster>("/v1/cluster", signal),
  map: (signal?: AbortSignal) => get<{ devices: MapPoint[] }>("/v1/map", signal),

  devices: (query: URLSearchParams, signal?: AbortSignal) => get<DevicePage>(`/v1/devices?${query}`, signal),
  device: (id: string, signal?: AbortSignal) => get<DeviceDetail>(device(id), signal),
  register: (body: Registration) => send<Device>("POST", "/v1/devices", body),
  change: (id: string, body: Registration) => send<Device>("PATCH", device(id), body),
  remove: (id: string) => send<null>("DELETE", device(id)),

  shadow: (id: string, name: string) => get<ShadowView>(`${device(id)}/shadow${named(name)}`),
  /** Merges `desired` into the shadow, only if it still is at `version` (null: does not exist); otherwise a Problem of status 409 or 412. */
  desire: (id: string, name: string, desired: Json, version: number | null) =>
    send<ShadowView>(
      "PATCH",
      `${device(id)}/shadow${named(name)}`,
      { state: { desired } },
      version === null ? { "if-none-match": "*" } : { "if-match": `"${version}"` },
    ),

  commands: (id: string, cursor: string | null, signal?: AbortSignal) =>
    get<Page<Command>>(`${device(id)}/commands?${query({ limit: "20", cursor })}`, signal),
  command: (id: string, command: string) => get<Command>(`${device(id)}/commands/${encodeURIComponent(command)}`),
  sendCommand: (id: string, body: { name: string; parameters?: Json; expiresInSeconds?: number }) =>
    send<Command>("POST", `${device(id)}/commands`, body),
  cancelCommand: (id: string, command: string) =>
    send<Command>("POST", `${device(id)}/commands/${encodeURIComponent(command)}/cancel`),

  history: (id: string, range: { metric: string; from: Date; to: Date; maxPoints: number }, signal?: AbortSignal) =>
    get<History>(
      `${device(id)}/telemetry?${query({
        metric: range.metric,
        from: range.from.toISOString(),
        to: range.to.toISOString(),
        maxPoints: String(range.maxPoints),
      })}`,
      signal,
    ),

  /** Several devices and metrics at once: `query` as `queryOf` in history/query.ts makes it. */
  query: (query: URLSearchParams, signal?: AbortSignal) => get<QueryAnswer>(`/v1/query?${query}`, signal),
  /** A file made by the server; the key goes with it, which a plain link could not do. */
  download: (path: string) => requestBlob(path),

  events: (filter: { device?: string; kinds?: string; cursor?: string | null; limit?: number }, signal?: AbortSignal) =>
    get<Page<DeviceEvent>>(
      `${filter.device ? device(filter.device) : "/v1"}/events?${query({
        kinds: filter.kinds ?? null,
        cursor: filter.cursor ?? null,
        limit: String(filter.limit ?? 20),
      })}`,
      signal,
    ),
  deadLetters: (filter: URLSearchParams, cursor: string | null, signal?: AbortSignal) => {
    const search = new URLSearchParams(filter);
    search.set("limit", "50");
    if (cursor !== null) search.set("cursor", cursor);
    return get<Page<DeadLetter>>(`/v1/dead-letters?${search}`, signal);
  },
  exports: (signal?: AbortSignal) => get<Page<Export>>("/v1/exports?limit=20", signal),
  makeExport: (body: Record<string, unknown>) => send<Export>("POST", "/v1/exports", body),
  removeExport: (id: string) => send<null>("DELETE", `/v1/exports/${encodeURIComponent(id)}`),

  quality: (query: URLSearchParams, signal?: AbortSignal) => get<QualityReport>(`/v1/quality?${query}`, signal),
  typeQuality: (type: string, signal?: AbortSignal) => tagged<TypeQuality>(typeRules(type), signal ? { signal } : {}),
  /** The type's own rules, all of them, over those that had this tag; a Problem of status 412 if others are there now. */
  setTypeQuality: (type: string, own: Record<string, unknown>, etag: string) =>
    tagged<TypeQuality>(typeRules(type), {
      method: "PUT",
      headers: { "content-type": "application/json", ...(etag === "" ? {} : { "if-match": etag }) },
      body: JSON.stringify(own),
    }),

  deadLetter: (id: string) => get<DeadLetter>(`/v1/dead-letters/${encodeURIComponent(id)}`),
  /**
   * Once: a second time is refused with 409. `payload` null sends it as it came, otherwise this text; `override` lets in
   * what quality rules would keep in quarantine.
   */
  resend: (id: string, { payload, override }: { payload: string | null; override: boolean }) =>
    send<unknown>("POST", `/v1/dead-letters/${encodeURIComponent(id)}/resend`, {
      override,
      ...(payload === null ? {} : { payloadBase64: base64(payload) }),
    }),
  resendMany: (ids: string[]) => send<SentAgainEach>("POST", "/v1/dead-letters/resend", { ids }),
};

function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return request<T>(path, signal ? { signal } : {});
}

function send<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  if (body === undefined) return request<T>(path, { method, headers });
  return request<T>(path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

async function request<T>(path: string, init: RequestInit): Promise<T> {
  return (await answered<T>(path, init)).body;
}

/** The answer with the tag by which it can be changed; "" if it has none. */
async function tagged<T extends object>(path: string, init: RequestInit): Promise<T & { etag: string }> {
  const { body, headers } = await answered<T>(path, init);
  return { ...body, etag: headers.get("etag") ?? "" };
}

async function answered<T>(path: string, init: RequestInit): Promise<{ body: T; headers: Headers }> {
  const headers = new Headers(init.headers);
  headers.set("accept", "application/json");
  const response = await fetchWithKey(path, { ...init, headers });
  if (response.status === 204) return { body: null as T, headers: response.headers };
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw problemFrom(response.status, body);
  return { body: body as T, headers: response.headers };
}

async function requestBlob(path: string): Promise<Blob> {
  const response = await fetchWithKey(path, {});
  if (!response.ok) throw problemFrom(response.status, await response.json().catch(() => null));
  return response.blob();
}

async function fetchWithKey(path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  if (apiKey.value) headers.set("authorization", `Bearer ${apiKey.value}`);
  const response = await fetch(path, { ...init, headers });
  if (response.status === 401) keyWanted.value = true;
  return response;
}

function device(id: string): string {
  return `/v1/devices/${encodeURIComponent(id)}`;
}

function typeRules(type: string): string {
  return `/v1/device-types/${encodeURIComponent(type)}/quality`;
}

function named(shadow: string): string {
  return shadow === "" ? "" : `?${query({ name: shadow })}`;
}

function query(fields: Record<string, string | null>): URLSearchParams {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== null && value !== "") search.set(name, value);
  return search;
}

/** The text's UTF-8, byte by byte: as JSON, numbers that JavaScript cannot hold would come out changed. */
function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}
