/**
 * EMQX's own HTTP API (5.8, `/api/v5`, an API key by Basic authentication): who is connected, and ending connections.
 * https://docs.emqx.com/en/emqx/v5.8/admin/api.html
 */
import { claimedPrincipal } from "../client-device.ts";
import { given, ownClientPrefix } from "./presence-events.ts";

export type BrokerClient = {
  readonly clientId: string;
  /** Null for apps, our own processes, and what no device can be called. */
  readonly device: string | null;
  readonly connectedAtMs: number;
  readonly node: string;
};

export interface EmqxApi {
  /** The connected clients, a page at a time. A client that comes or goes meanwhile may be missed, or come twice. */
  connected(): AsyncGenerator<readonly BrokerClient[]>;
  isConnected(clientId: string): Promise<boolean>;
  /** Ends the connections of a device and forgets its session; gives how many there were. */
  kick(device: string): Promise<number>;
}

/** EMQX did not answer, or not as documented. */
export class EmqxApiFailed extends Error {
  override readonly name = "EmqxApiFailed";
  readonly code = "EMQX_API_FAILED";
  readonly retry = "later";
}

const pageSize = 1_000;
const timeoutMs = 10_000;

/** The API as a role is configured for it; null if it is not. */
export function emqxApiOf(config: {
  readonly emqxApiUrl: string;
  readonly emqxApiKey: string;
  readonly emqxApiSecret: string;
}): EmqxApi | null {
  const { emqxApiUrl: url, emqxApiKey: key, emqxApiSecret: secret } = config;
  return url === "" ? null : openEmqxApi({ url, key, secret });
}

/** @param url of the management listener: `http://emqx:18083` */
export function openEmqxApi({ url, key, secret }: { url: string; key: string; secret: string }): EmqxApi {
  const base = `${url.replace(/\/$/, "")}/api/v5/clients`;
  const authorization = `Basic ${Buffer.from(`${key}:${secret}`).toString("base64")}`;

  async function request(method: "GET" | "DELETE", path: string): Promise<Response> {
    const failed = (why: string, cause?: unknown) =>
      new EmqxApiFailed(`${method} ${base}${path}: ${why}. Look at EMQX_API_URL, EMQX_API_KEY and EMQX_API_SECRET.`, {
        cause,
      });
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(base + path, { method, headers: { authorization }, signal }).catch((error: Error) => {
      throw failed(error.message, error);
    });
    if (!response.ok && response.status !== 404) throw failed(`status ${response.status}`);
    return response;
  }

  async function* pages(query: string): AsyncGenerator<readonly BrokerClient[]> {
    for (let page = 1, more = true; more; page++) {
      const response = await request("GET", `?${query}&limit=${pageSize}&page=${page}`);
      const body = (await response.json().catch(() => null)) as ClientsPage | null;
      if (!Array.isArray(body?.data)) throw new EmqxApiFailed(`${base} did not answer with a page of clients.`);
      yield body.data.map(readClient).filter((client) => client !== null);
      const { hasnext, count } = body.meta ?? {};
      more = body.data.length > 0 && (hasnext ?? page * pageSize < (count ?? 0));
    }
  }

  return {
    connected: () => pages("conn_state=connected"),

    async isConnected(clientId) {
      const response = await request("GET", `/${encodeURIComponent(clientId)}`);
      if (response.status === 404) return false;
      return ((await response.json()) as { connected?: unknown }).connected === true;
    },

    async kick(device) {
      // The user name may have an SDK's words behind the device, so it is looked for in part.
      const queries = [`like_username=${encodeURIComponent(device)}`, `clientid=${encodeURIComponent(device)}`];
      const clientIds = new Set<string>();
      for (const query of queries)
        for await (const clients of pages(query))
          for (const client of clients) if (client.device === device) clientIds.add(client.clientId);
      for (const clientId of clientIds) await request("DELETE", `/${encodeURIComponent(clientId)}`);
      return clientIds.size;
    },
  };
}

/** Of `GET /api/v5/clients`, what is read here. */
type ClientsPage = {
  readonly data: readonly Record<string, unknown>[];
  readonly meta?: {
    readonly page?: number;
    readonly limit?: number;
    readonly count?: number;
    readonly hasnext?: boolean;
  };
};

function readClient({ clientid, username, connected_at, node }: Record<string, unknown>): BrokerClient | null {
  if (typeof clientid !== "string") return null;
  const claimed = claimedPrincipal(given(username), clientid);
  const own = clientid.startsWith(ownClientPrefix);
  // RFC 3339, in milliseconds.
  const connectedAtMs = typeof connected_at === "string" ? Date.parse(connected_at) : Number.NaN;
  return {
    clientId: clientid,
    device: claimed.kind === "device" && !own ? claimed.device : null,
    connectedAtMs: Number.isFinite(connectedAtMs) ? connectedAtMs : 0,
    node: given(node) ?? "",
  };
}
