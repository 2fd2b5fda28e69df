import type { Member } from "./contract.ts";
import { formatNumber, formatWords } from "./format.ts";

/** One thing that the members of a role tell in `status`: a column. */
export type Figure = { key: string; name: string };

const known: Record<string, Record<string, string>> = {
  actors: {
    twins: "Twins in memory",
    sidecar: "Sidecar",
    deadlines: "Deadlines",
    outboxWaiting: "Outbox waiting",
    stale: "Stale turns",
  },
  doppel: { twins: "Twins in memory", deadlines: "Deadlines", pending: "Turns under way" },
  sinks: {
    ready: "Ready",
    lagTimeseries: "Time series lag",
    lagFleet: "Fleet lag",
    timeseries: "Time series records",
    fleet: "Fleet records",
  },
};
/** How `true` and `false` of a key are said; of these keys the latter is trouble. */
const states: Record<string, [yes: string, no: string]> = {
  sidecar: ["connected", "away"],
  connected: ["yes", "no"],
  ready: ["yes", "no"],
};
const fewEnough = 7;

/**
 * The columns of a role: those that the dashboard knows, then the others in the order told. Of many, only the known
 * ones and those with trouble are `shown`; `hidden` are the rest. A new key of a newer version shows by itself.
 */
export function figuresOf(role: string, members: Member[]): { shown: Figure[]; hidden: Figure[] } {
  const told = new Set(members.flatMap(({ status }) => Object.keys(status)));
  const names = known[role] ?? {};
  const keys = [...new Set([...Object.keys(names), ...told])].filter((key) => told.has(key));
  const figures = keys.map((key) => ({ key, name: names[key] ?? sentence(formatWords(key)) }));
  if (figures.length <= fewEnough) return { shown: figures, hidden: [] };
  const anyKnown = figures.some(({ key }) => key in names);
  const isShown = ({ key }: Figure, index: number) =>
    (anyKnown ? key in names : index < fewEnough) ||
    members.some(({ alive, status }) => alive && isTrouble(key, status[key]));
  return { shown: figures.filter(isShown), hidden: figures.filter((figure, index) => !isShown(figure, index)) };
}

export function formatFigure(key: string, value: Member["status"][string] | undefined): string {
  if (value === undefined) return "–";
  if (typeof value === "number") return formatNumber(value);
  if (typeof value === "boolean") return (states[key] ?? ["yes", "no"])[value ? 0 : 1];
  return value;
}

/** Whether an operator has to look. Of keys that the dashboard does not know it cannot say. */
export function isTrouble(key: string, value: Member["status"][string] | undefined): boolean {
  if (key in states) return value === false;
  if (key === "softState") return value !== undefined && value !== "ok";
  return key === "unreadable" && typeof value === "number" && value > 0;
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
