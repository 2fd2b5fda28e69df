import { describe, expect, test } from "vitest";
import { getShortestPaths, getSimplePaths } from "xstate/graph";
import { effectiveTransitions, nodesOf, transitionsTaken, unhandled } from "./machine-coverage.ts";
import { defaultPolicy } from "./policy.ts";
import {
  neverSeen,
  type Presence,
  type PresenceEdge,
  type PresenceStep,
  presenceMachine,
  statusOf,
  stepPresence,
} from "./presence.ts";
import { aSession } from "./presence-fixture.ts";

const policy = { ...defaultPolicy, flapEdges: 3, flapWindowMs: 1_000_000 };
const sessions = ["a", "b"];
const edges: PresenceEdge[] = [
  ...sessions.map((id, index): PresenceEdge => ({ type: "connected", session: aSession(id, index) })),
  ...sessions.flatMap((session) =>
    [true, false].map((graceful): PresenceEdge => ({ type: "disconnected", session, graceful, reason: "gone" })),
  ),
  ...[...sessions, null].flatMap((session) =>
    [true, false].map((will): PresenceEdge => ({ type: "statusOffline", session, will })),
  ),
  ...[...sessions, null].map((session): PresenceEdge => ({ type: "heard", session })),
  ...[true, false].map((heard): PresenceEdge => ({ type: "sessionOrphaned", heard })),
  { type: "silenceElapsed" },
  { type: "graceElapsed" },
  { type: "steadyElapsed" },
];
const steps = (from: readonly PresenceEdge[]) => from.map((edge): PresenceStep => ({ ...edge, atMs: 1_000, policy }));
const everything = { events: steps(edges), serializeState: stateKey, limit: 50_000 };

/** The machine's snapshot as the text that tells two of them apart. */
function stateKey(snapshot: { value: unknown; context: unknown }): string {
  return JSON.stringify([snapshot.value, snapshot.context]);
}

describe("the presence machine", () => {
  test("names every edge in every state", () => {
    const { link, steadiness } = presenceMachine.root.states;
    const types = [...new Set(edges.map(({ type }) => type))];
    const ofLink = types.filter((type) => type !== "steadyElapsed");
    expect(unhandled(nodesOf(link!).slice(1), ofLink)).toEqual([]);
    expect(unhandled(nodesOf(steadiness!).slice(1), ["steadyElapsed"])).toEqual([]);
    expect([...new Set(presenceMachine.events)].sort()).toEqual(types.sort());
  });

  test("can reach every state and take every transition", () => {
    const taken = new Set<string>();
    const visited = new Set<string>();
    for (const path of getShortestPaths(presenceMachine, everything)) {
      visited.add(JSON.stringify(path.state.value));
      for (const step of everything.events)
        for (const name of transitionsTaken(presenceMachine, path.state, step)) taken.add(name);
    }
    expect(visited.size).toBe(6);
    const missed = [...effectiveTransitions(presenceMachine)].filter((name) => !taken.has(name));
    // The only eventless transition: flapping was visited, and nothing else leads there.
    expect(missed).toEqual(["presence.steadiness.steady  [tooManyEdges] → presence.steadiness.flapping"]);
  });

  test("is what stepPresence does, along every shortest path and one edge further", () => {
    const paths = getShortestPaths(presenceMachine, everything);
    expect(paths.length).toBeGreaterThan(50);
    for (const path of paths) {
      const presence = walk(path.steps.map(({ event }) => event));
      expectSame(presence, path.state);
      for (const edge of edges) walkOn(presence, edge);
    }
  });

  test("is what stepPresence does, along every simple path of one session", () => {
    const ofA: PresenceEdge[] = [
      { type: "connected", session: aSession("a", 0) },
      { type: "disconnected", session: "a", graceful: true, reason: "gone" },
      { type: "disconnected", session: "a", graceful: false, reason: "gone" },
      { type: "statusOffline", session: "a", will: true },
      { type: "statusOffline", session: "a", will: false },
      { type: "heard", session: null },
      { type: "sessionOrphaned", heard: true },
      { type: "sessionOrphaned", heard: false },
      { type: "silenceElapsed" },
      { type: "graceElapsed" },
    ];
    const never = steps(ofA).map((step) => ({ ...step, policy: { ...policy, flapEdges: 0 } }));
    const paths = getSimplePaths(presenceMachine, { ...everything, events: never });
    expect(paths.length).toBeGreaterThan(100);
    for (const path of paths) expectSame(walk(path.steps.map(({ event }) => event)), path.state);
  });
});

/** The real steps along a path of the graph, whose first "event" is the machine's own start. */
function walk(path: readonly (PresenceStep | { type: string })[]): Presence {
  let presence = neverSeen;
  for (const step of path) {
    if (!("atMs" in step)) continue;
    const { atMs, policy: numbers, ...edge } = step;
    presence = walkOn(presence, edge as PresenceEdge, atMs, numbers);
  }
  return presence;
}

function walkOn(presence: Presence, edge: PresenceEdge, atMs = 1_000, numbers: PresenceStep["policy"] = policy) {
  const changed = stepPresence(presence, edge, atMs, numbers);
  if (changed === null) return presence;
  const next = changed.presence;
  expect(JSON.parse(JSON.stringify(next))).toEqual(next);
  expect(changed.announced !== undefined).toBe(statusOf(next) !== statusOf(presence));
  expect(changed.flapping !== undefined).toBe(next.flapping !== presence.flapping);
  return next;
}

function expectSame(
  presence: Presence,
  { value, context }: { value: { link: string; steadiness: string }; context: object },
) {
  expect([presence.phase, presence.flapping]).toEqual([value.link, value.steadiness === "flapping"]);
  const { phase: _, flapping: __, ...memory } = presence;
  expect(context).toMatchObject(memory);
}
