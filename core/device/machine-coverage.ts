/** For tests of machines: which transitions there are, and which a step takes. */
import type { AnyEventObject, AnyStateMachine, AnyTransitionDefinition, SnapshotFrom } from "xstate";
import type { AnyStateNode } from "xstate/graph";

/** Every state node below `node`, and itself. */
export function nodesOf(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values(node.states).flatMap((child) => nodesOf(child))];
}

/** Every transition that leads somewhere or does something, by a readable name. */
export function effectiveTransitions(machine: AnyStateMachine): Set<string> {
  const all = nodesOf(machine.root).flatMap((node) => [
    ...[...node.transitions.values()].flat(),
    ...(node.always ?? []),
  ]);
  return new Set(all.filter((one) => one.target !== undefined || one.actions.length > 0).map(nameOf));
}

/** The names of the transitions that `event` takes from `snapshot`, the eventless ones after it not counted. */
export function transitionsTaken<M extends AnyStateMachine>(
  machine: M,
  snapshot: SnapshotFrom<M>,
  event: AnyEventObject,
) {
  return (machine.getTransitionData(snapshot, event) as AnyTransitionDefinition[]).map(nameOf);
}

/** Events without a handler, as `state: event`: XState passes over them silently. */
export function unhandled(nodes: readonly AnyStateNode[], events: readonly string[]): string[] {
  return nodes.flatMap((node) =>
    events.filter((event) => !node.transitions.has(event)).map((event) => `${node.id}: ${event}`),
  );
}

export function nameOf({ source, eventType, guard, target }: AnyTransitionDefinition): string {
  const condition = guard === undefined ? "" : ` [${String(typeof guard === "string" ? guard : "guarded")}]`;
  return `${source.id} ${eventType}${condition} → ${target?.map(({ id }) => id).join(", ") ?? "stays"}`;
}
