/**
 * Whether a device is there: an XState machine stepped at its edges only, never per message and never by a timer of
 * its own. What elapses is computed from the presence, the last message and the policy whenever it is asked for.
 * Leaves the clock, the timers and the sending of announcements to the shell.
 *
 * P1 One live session at most. A session that is older than the newest one known never becomes it.
 * P2 The end of a session never touches a newer one; a message or will of an ended session brings nobody back or down.
 * P3 Announcements alternate: online, offline, online, … A short loss (suspect) is not announced.
 * P4 Online and suspect always have a deadline, and no deadline is stored: a message, a changed time-out or a new
 *    process moves it without anybody having to remember.
 * P5 A judgement by absence (silence, a lost process) can be wrong: any later message of the device corrects it.
 */
import { assign, setup, transition } from "xstate";
import type { TwinContext } from "./inputs.ts";
import type { TwinPolicy } from "./policy.ts";
import type { PresenceChanged } from "./records.ts";

/** One MQTT connection, as the process `node` accepted it; `id` is never used twice. Epoch ms. */
export type Session = { readonly id: string; readonly connectedAtMs: number; readonly node: string };

/** Plain JSON. `sinceMs` is since when the announced status holds, epoch ms of our clock. */
export type Presence = {
  readonly sinceMs: number;
  readonly flapping: boolean;
  /** When the newest status changes were announced, oldest first: at most `flapEdges` of them. */
  readonly edgesMs: readonly number[];
} & (
  | {
      readonly phase: "offline" | "online";
      /** The live connection. Offline with one: connected, but silent or by its own word away. */
      readonly session: Session | null;
      /** The newest session known to have ended, while none is live. */
      readonly ended: Session | null;
    }
  | {
      /** The connection broke, and the device may be back in a moment: still announced as online. */
      readonly phase: "suspect";
      readonly suspectSinceMs: number;
      /** Why it broke, in the gateway's words. */
      readonly reason: string;
      readonly ended: Session | null;
    }
);

/** What moves the machine; `session` where it is a string or null is the session that carried the word (null: HTTP). */
export type PresenceEdge =
  | { readonly type: "connected"; readonly session: Session }
  | { readonly type: "disconnected"; readonly session: string; readonly graceful: boolean; readonly reason: string }
  /** A last will, or (`will: false`) the device's own word that it goes. */
  | { readonly type: "statusOffline"; readonly session: string | null; readonly will: boolean }
  /** A message came while the device was not plainly online. */
  | { readonly type: "heard"; readonly session: string | null }
  | { readonly type: "silenceElapsed" }
  | { readonly type: "graceElapsed" }
  /** The process that held the session is gone. `heard`: the device has spoken since, by another way. */
  | { readonly type: "sessionOrphaned"; readonly heard: boolean }
  /** No status change for so long that the device no longer counts as flapping. */
  | { readonly type: "steadyElapsed" };

/** The presence of a device that has never been there. */
export const neverSeen: Presence = {
  phase: "offline",
  sinceMs: 0,
  session: null,
  ended: null,
  flapping: false,
  edgesMs: [],
};

/** What apps are told: a suspect device is still online. */
export function statusOf(presence: Presence): "online" | "offline" {
  return presence.phase === "offline" ? "offline" : "online";
}

/** The connection that reaches the device, or null. */
export function liveSession(presence: Presence): Session | null {
  return presence.phase === "suspect" ? null : presence.session;
}

/** Whether there is a live connection: a silent device can be offline and connected. */
export function isConnected(presence: Presence): boolean {
  return liveSession(presence) !== null;
}

/** The machine's memory beside its states, as plain data. */
type Memory = {
  readonly sinceMs: number;
  readonly session: Session | null;
  readonly ended: Session | null;
  readonly suspectSinceMs: number;
  readonly reason: string;
  readonly edgesMs: readonly number[];
};

/** An edge with what its step is given: our clock's epoch ms and the flapping numbers. */
export type PresenceStep = PresenceEdge & {
  readonly atMs: number;
  readonly policy: Pick<TwinPolicy, "flapEdges" | "flapWindowMs">;
};

/**
 * The presence machine as data: `link` is the device's connection and voice, `steadiness` counts its announcements.
 * `{}` says that an edge means nothing in a state; every state of `link` names every edge.
 */
export const presenceMachine = setup({
  types: { context: {} as Memory, events: {} as PresenceStep },
  guards: {
    newerSession: ({ context, event }) => {
      if (event.type !== "connected") return false;
      const known = context.session ?? context.ended;
      return known === null || (event.session.id !== known.id && event.session.connectedAtMs >= known.connectedAtMs);
    },
    liveSessionEnds: ({ context, event }) => event.type === "disconnected" && event.session === context.session?.id,
    liveSessionEndsGracefully: ({ context, event }) =>
      event.type === "disconnected" && event.graceful && event.session === context.session?.id,
    fromDevice: ({ context, event }) => event.type === "heard" && speaksFor(context, event.session),
    ownWord: ({ context, event }) => event.type === "statusOffline" && !event.will && speaksFor(context, event.session),
    anyWord: ({ event }) => event.type === "statusOffline" && !event.will,
    willOfLiveSession: ({ context, event }) =>
      event.type === "statusOffline" && event.will && event.session === (context.session?.id ?? null),
    hasSession: ({ context }) => context.session !== null,
    heardOtherwise: ({ context, event }) => event.type === "sessionOrphaned" && event.heard && context.session !== null,
    tooManyEdges: ({ context, event }) => {
      if (context.edgesMs.length === 0) return false; // Also at the machine's own start, an event without a policy.
      const { flapEdges, flapWindowMs } = event.policy;
      const from = event.atMs - flapWindowMs;
      return flapEdges > 0 && context.edgesMs.filter((edgeMs) => edgeMs > from).length >= flapEdges;
    },
  },
  actions: {
    openSession: assign(({ context, event }) =>
      event.type === "connected" ? { session: event.session, ended: null } : context,
    ),
    endSession: assign(({ context }) => ({ session: null, ended: context.session ?? context.ended })),
    // P5: not remembered as ended, so that its word still counts if the process was not gone after all.
    forgetSession: assign(() => ({ session: null })),
    noteLoss: assign(({ event }) => ({
      suspectSinceMs: event.atMs,
      reason: event.type === "disconnected" ? event.reason : "last will",
    })),
    announce: assign(({ context, event }) => ({ sinceMs: event.atMs, edgesMs: withEdge(context.edgesMs, event) })),
    announceLoss: assign(({ context, event }) => ({
      sinceMs: context.suspectSinceMs,
      edgesMs: withEdge(context.edgesMs, event),
    })),
    calm: assign(() => ({ edgesMs: [] })),
  },
}).createMachine({
  id: "presence",
  type: "parallel",
  context: { sinceMs: 0, session: null, ended: null, suspectSinceMs: 0, reason: "", edgesMs: [] },
  states: {
    link: {
      initial: "offline",
      states: {
        offline: {
          on: {
            connected: { guard: "newerSession", target: "online", actions: ["openSession", "announce"] },
            disconnected: { guard: "liveSessionEnds", actions: "endSession" },
            statusOffline: {},
            heard: { guard: "fromDevice", target: "online", actions: "announce" },
            silenceElapsed: {},
            graceElapsed: {},
            sessionOrphaned: { guard: "hasSession", actions: "forgetSession" },
          },
        },
        online: {
          on: {
            connected: { guard: "newerSession", actions: "openSession" },
            disconnected: [
              { guard: "liveSessionEndsGracefully", target: "offline", actions: ["endSession", "announce"] },
              { guard: "liveSessionEnds", target: "suspect", actions: ["endSession", "noteLoss"] },
            ],
            statusOffline: [
              { guard: "ownWord", target: "offline", actions: "announce" },
              { guard: "willOfLiveSession", target: "suspect", actions: ["endSession", "noteLoss"] },
            ],
            heard: {},
            silenceElapsed: { target: "offline", actions: "announce" },
            graceElapsed: {},
            sessionOrphaned: [
              { guard: "heardOtherwise", actions: "forgetSession" },
              { guard: "hasSession", target: "offline", actions: ["forgetSession", "announce"] },
            ],
          },
        },
        suspect: {
          on: {
            connected: { guard: "newerSession", target: "online", actions: "openSession" },
            disconnected: {},
            statusOffline: { guard: "anyWord", target: "offline", actions: "announceLoss" },
            heard: { guard: "fromDevice", target: "online" },
            silenceElapsed: {},
            graceElapsed: { target: "offline", actions: "announceLoss" },
            sessionOrphaned: {},
          },
        },
      },
    },
    steadiness: {
      initial: "steady",
      states: {
        steady: { always: { guard: "tooManyEdges", target: "flapping" }, on: { steadyElapsed: {} } },
        flapping: { on: { steadyElapsed: { target: "steady", actions: "calm" } } },
      },
    },
  },
});

/** One step of the machine at `atMs`: the record of what changed, or null if nothing did. */
export function stepPresence(
  presence: Presence,
  edge: PresenceEdge,
  atMs: number,
  policy: Pick<TwinPolicy, "flapEdges" | "flapWindowMs">,
): PresenceChanged | null {
  const before = presenceMachine.resolveState({
    value: { link: presence.phase, steadiness: presence.flapping ? "flapping" : "steady" },
    context: memoryOf(presence),
  });
  const [after] = transition(presenceMachine, before, { ...edge, atMs, policy });
  const { link, steadiness } = after.value;
  if (after.context === before.context && link === presence.phase) return null;
  const next = presenceOf(link, steadiness === "flapping", after.context);
  const status = statusOf(next);
  const reason =
    edge.type === "disconnected" ? edge.reason : edge.type === "graceElapsed" ? after.context.reason : undefined;
  return {
    kind: "presence",
    atMs,
    edge: edge.type,
    ...(reason === undefined ? {} : { reason }),
    presence: next,
    ...(status === statusOf(presence) ? {} : { announced: { status, sinceMs: next.sinceMs } }),
    ...(next.flapping === presence.flapping ? {} : { flapping: next.flapping ? "started" : "ended" }),
  };
}

/** When presence has to be looked at again, epoch ms; null for not before the next edge (P4). */
export function presenceDeadline(
  presence: Presence,
  lastSeenMs: number,
  policy: TwinPolicy,
  node: TwinContext["node"],
): number | null {
  return nextElapse(presence, lastSeenMs, policy, node)?.atMs ?? null;
}

/** What has elapsed at `nowMs`, the earliest first: a deadline has come in its very millisecond. */
export function duePresenceEdge(
  presence: Presence,
  lastSeenMs: number,
  nowMs: number,
  policy: TwinPolicy,
  node: TwinContext["node"],
): PresenceEdge | null {
  const next = nextElapse(presence, lastSeenMs, policy, node);
  return next !== null && next.atMs <= nowMs ? next.edge : null;
}

type Elapse = { readonly atMs: number; readonly edge: PresenceEdge };

function nextElapse(
  presence: Presence,
  lastSeenMs: number,
  policy: TwinPolicy,
  node: TwinContext["node"],
): Elapse | null {
  const link = nextLinkElapse(presence, lastSeenMs, policy, node);
  if (!presence.flapping) return link;
  const steadyAtMs = (presence.edgesMs.at(-1) ?? presence.sinceMs) + policy.steadyMs;
  return link !== null && link.atMs <= steadyAtMs ? link : { atMs: steadyAtMs, edge: { type: "steadyElapsed" } };
}

function nextLinkElapse(
  presence: Presence,
  lastSeenMs: number,
  policy: TwinPolicy,
  node: TwinContext["node"],
): Elapse | null {
  // Nobody could come back while this process did not run: what began before it gets the restart's grace.
  const restartMs = node === null ? Number.NEGATIVE_INFINITY : node.startedAtMs + policy.restartGraceMs;
  const startedAtMs = node?.startedAtMs ?? Number.NEGATIVE_INFINITY;
  if (presence.phase === "suspect") {
    const graceMs = presence.suspectSinceMs + policy.graceMs;
    const atMs = presence.suspectSinceMs < startedAtMs ? Math.max(graceMs, restartMs) : graceMs;
    return { atMs, edge: { type: "graceElapsed" } };
  }
  const { phase, session, sinceMs } = presence;
  if (session !== null && node !== null && session.node !== node.id)
    return { atMs: restartMs, edge: { type: "sessionOrphaned", heard: lastSeenMs >= startedAtMs } };
  if (phase === "offline") return null;
  const heardMs = Math.max(lastSeenMs, session?.connectedAtMs ?? sinceMs);
  const silentMs = heardMs + policy.silenceMs;
  const atMs = heardMs < startedAtMs ? Math.max(silentMs, restartMs) : silentMs;
  return { atMs, edge: { type: "silenceElapsed" } };
}

/** P2: over a live session only its own messages speak for the device; without one, all but those of the ended one. */
function speaksFor({ session, ended }: Memory, speaker: string | null): boolean {
  if (speaker === null) return true;
  return session === null ? speaker !== ended?.id : speaker === session.id;
}

function withEdge(edgesMs: readonly number[], { atMs, policy }: PresenceStep): readonly number[] {
  return [...edgesMs, atMs].slice(-Math.max(1, policy.flapEdges));
}

function memoryOf(presence: Presence): Memory {
  const { sinceMs, edgesMs, ended } = presence;
  return presence.phase === "suspect"
    ? { sinceMs, edgesMs, ended, session: null, suspectSinceMs: presence.suspectSinceMs, reason: presence.reason }
    : { sinceMs, edgesMs, ended, session: presence.session, suspectSinceMs: 0, reason: "" };
}

function presenceOf(phase: Presence["phase"], flapping: boolean, memory: Memory): Presence {
  const { sinceMs, edgesMs, session, ended, suspectSinceMs, reason } = memory;
  return phase === "suspect"
    ? { phase, sinceMs, suspectSinceMs, reason, ended, flapping, edgesMs }
    : { phase, sinceMs, session, ended, flapping, edgesMs };
}
