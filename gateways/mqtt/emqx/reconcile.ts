/**
 * Compares whom EMQX has with whom the twins take to be connected, and tells the twins what they have missed: a presence
 * event can get lost (a node is killed, no gateway was there), and then nothing else would ever correct it.
 *
 * C1 Only a difference that two rounds have seen is acted on: the listings are not of one moment, and events are on
 *    their way.
 * C2 The twin itself is asked before it is told anything, and EMQX before a twin is told that its device has gone.
 * C3 One gateway at a time, by the lock that is handed in.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { TwinHost } from "../../../actors/host/port.ts";
import { brokerSession } from "../../../core/device/broker-session.ts";
import type { TwinInput } from "../../../core/device/inputs.ts";
import { liveSession, type Presence, type Session } from "../../../core/device/presence.ts";
import { everyShadow } from "../../../core/device/shadow.ts";
import type { FleetIndex } from "../../../ports/fleet-index/port.ts";
import type { BrokerClient, EmqxApi } from "./management-api.ts";
import { sessionId } from "./presence-events.ts";

export type ReconcileOptions = {
  readonly api: Pick<EmqxApi, "connected" | "isConnected">;
  readonly fleet: Pick<FleetIndex, "devices">;
  readonly host: Pick<TwinHost, "ask">;
  /** Does the work unless another gateway is at it; whether it did. */
  readonly lock: (work: () => Promise<void>) => Promise<boolean>;
  readonly log: { info(details: object, message: string): void; warn(details: object, message: string): void };
  /** Between two rounds; 30,000. */
  readonly everyMs?: number;
};

/** What a round has told twins. */
export type Reconciled = { readonly connected: number; readonly disconnected: number };

export interface Reconciler {
  /** One comparison, at once. Null: another gateway is at it, or EMQX did not answer. */
  round(): Promise<Reconciled | null>;
  stop(): Promise<void>;
}

export function startReconciler(options: ReconcileOptions): Reconciler {
  const { api, fleet, host, lock, log, everyMs = 30_000 } = options;
  const stopping = new AbortController();
  let suspects: Differences = noDifferences;

  async function compare(): Promise<Reconciled> {
    const found = await differences(api, fleet);
    let connected = 0;
    let disconnected = 0;
    for (const [device, client] of found.missed)
      if (suspects.missed.has(device) && (await tellConnected(device, client))) connected++; // C1
    for (const device of found.stale)
      if (suspects.stale.has(device) && (await tellDisconnected(device))) disconnected++;
    suspects = found;
    if (connected + disconnected > 0) log.info({ connected, disconnected }, "presence that was missed is made good");
    return { connected, disconnected };
  }

  /** C2 */
  async function presenceOf(device: string): Promise<Presence | null> {
    const reply = await host.ask(device, { kind: "read" });
    return reply.kind === "twin" ? reply.twin.presence : null;
  }

  async function tellConnected(device: string, client: BrokerClient): Promise<boolean> {
    const presence = await presenceOf(device);
    if (presence !== null && liveSession(presence) !== null) return false;
    const { kind } = await host.ask(device, { kind: "connected", session: sessionOf(client, presence) });
    if (kind === "unknownDevice") return false;
    // Whatever it listens to, we may have missed that too: what is sent to a device that does not listen harms nobody.
    for (const to of [{ channel: "commands" }, { channel: "shadowDelta", shadow: everyShadow }] as const)
      await host.ask(device, { kind: "listening", session: brokerSession, to });
    return true;
  }

  async function tellDisconnected(device: string): Promise<boolean> {
    const presence = await presenceOf(device);
    const session = presence === null ? null : liveSession(presence);
    if (session === null || (await api.isConnected(clientIdOf(session)))) return false;
    const reason = "not connected at the broker";
    const input: TwinInput = { kind: "disconnected", session: session.id, graceful: false, reason };
    await host.ask(device, input);
    return true;
  }

  async function round(): Promise<Reconciled | null> {
    let done: Reconciled | null = null;
    try {
      const ours = await lock(async () => {
        done = await compare();
      });
      if (!ours) suspects = noDifferences; // C3: what we saw is not of the last round
    } catch (error) {
      suspects = noDifferences;
      log.warn({ err: error }, "presence could not be compared with EMQX");
    }
    return done;
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      await delay(everyMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
      if (!stopping.signal.aborted) await round();
    }
  })();

  return {
    round,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

type Differences = {
  /** EMQX has them, their twins do not. */
  readonly missed: ReadonlyMap<string, BrokerClient>;
  /** Their twins have a connection, EMQX has none. */
  readonly stale: ReadonlySet<string>;
};

const noDifferences: Differences = { missed: new Map(), stale: new Set() };
const pageSize = 1_000;

async function differences(api: ReconcileOptions["api"], fleet: ReconcileOptions["fleet"]): Promise<Differences> {
  const missed = new Map<string, BrokerClient>();
  for await (const clients of api.connected())
    for (const client of clients) {
      if (client.device === null) continue;
      const other = missed.get(client.device);
      if (other === undefined || other.connectedAtMs < client.connectedAtMs) missed.set(client.device, client);
    }
  const stale = new Set<string>();
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<FleetIndex["devices"]>> = await fleet.devices({}, { cursor, limit: pageSize });
    for (const { id, connected } of page.items) {
      if (!connected) continue;
      if (!missed.delete(id)) stale.add(id);
    }
    cursor = page.next;
  } while (cursor !== null);
  return { missed, stale };
}

/** As its own event would have named it; a session that was taken to have ended, and has not, gets a name of its own. */
function sessionOf({ clientId, connectedAtMs, node }: BrokerClient, presence: Presence | null): Session {
  const id = sessionId(clientId, connectedAtMs);
  const ended = presence?.ended ?? null;
  if (ended === null || (ended.id !== id && ended.connectedAtMs <= connectedAtMs)) return { id, connectedAtMs, node };
  return { id: `${ended.id}~`, connectedAtMs: Math.max(ended.connectedAtMs, connectedAtMs), node };
}

function clientIdOf({ id }: Session): string {
  return id.slice(0, id.lastIndexOf("@"));
}
