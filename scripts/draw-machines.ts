/** Draws docs/state-machines.md from the machines' own data: `node scripts/draw-machines.ts`. */
import { writeFileSync } from "node:fs";
import type { AnyStateMachine } from "xstate";
import type { AnyStateNode } from "xstate/graph";
import { commandMachine } from "../core/device/commands.ts";
import { presenceMachine } from "../core/device/presence.ts";

export const drawingPath = new URL("../docs/state-machines.md", import.meta.url);

/** The whole page, as Markdown with Mermaid diagrams. */
export function drawMachines(): string {
  return `# State machines

Drawn from the machines' data by \`node scripts/draw-machines.ts\`; a test fails when this page is out of date.
A label reads \`event [condition] / what is noted\`. An event without an arrow changes nothing in that state.

## Presence

Whether a device is there (\`core/device/presence.ts\`). Apps are told \`online\` for online and suspect, \`offline\` for
offline; only arrows with "announce" tell them something new. \`steadiness\` runs beside it and marks a device that comes
and goes too often. Nothing here is a timer: \`silenceElapsed\`, \`graceElapsed\`, \`sessionOrphaned\` and \`steadyElapsed\`
are found by comparing the clock with the twin and the policy of its device type.

${drawing(presenceMachine)}

## Command

What a device was told to do (\`core/device/commands.ts\`). A queued command waits for its device; each command ends in
exactly one of the five last states. It expires only until the device has acknowledged it.

${drawing(commandMachine)}
`;
}

function drawing(machine: AnyStateMachine): string {
  const regions = machine.root.type === "parallel" ? Object.values(machine.root.states) : [machine.root];
  return regions
    .map((region: AnyStateNode) => `${heading(region)}\`\`\`mermaid\n${diagram(region)}\n\`\`\``)
    .join("\n\n");
}

function heading(region: AnyStateNode): string {
  return region.parent === undefined ? "" : `**${region.key}**\n\n`;
}

function diagram(region: AnyStateNode): string {
  const states = Object.values(region.states) as AnyStateNode[];
  const first = region.initial.target.map(({ key }) => `  [*] --> ${key}`);
  const arrows = states.flatMap((state) => arrowsFrom(state));
  const last = states.filter(({ type }) => type === "final").map(({ key }) => `  ${key} --> [*]`);
  return ["stateDiagram-v2", ...first, ...arrows, ...last].join("\n");
}

/** One arrow per condition and effect; events that share both share the arrow. */
function arrowsFrom(state: AnyStateNode): string[] {
  const events = new Map<string, string[]>();
  for (const { eventType, guard, target, actions } of [
    ...[...state.transitions.values()].flat(),
    ...(state.always ?? []),
  ]) {
    if (target === undefined && actions.length === 0) continue;
    const condition = guard === undefined ? "" : ` [${words(nameOf(guard))}]`;
    const effect = actions.length === 0 ? "" : ` / ${actions.map((action) => words(nameOf(action))).join(", ")}`;
    const to = target?.map(({ key }) => key).join(", ") ?? state.key;
    const arrow = JSON.stringify([to, `${condition}${effect}`]);
    events.set(arrow, [...(events.get(arrow) ?? []), eventType]);
  }
  return [...events].map(([arrow, types]) => {
    const [to, rest] = JSON.parse(arrow) as [string, string];
    return `  ${state.key} --> ${to} : ${`${types.join(", ")}${rest}`.trim()}`;
  });
}

function nameOf(named: unknown): string {
  if (typeof named === "string") return named;
  if (typeof named === "object" && named !== null && "type" in named) return String(named.type);
  throw new Error("A machine has a guard or action without a name: give it one in setup().");
}

/** liveSessionEnds → live session ends */
function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

if (import.meta.main) writeFileSync(drawingPath, drawMachines());
