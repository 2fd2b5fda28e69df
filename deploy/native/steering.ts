/** What people can do to a running native system: the words for it, and doing it. */
import { type Role, roles } from "../../role-config.ts";
import type { NativeSystem } from "./system.ts";

const verbs = {
  kill: "kill -9, and it stays down",
  crash: "kill -9, and the supervisor starts it again",
  pause: "SIGSTOP: it hangs",
  resume: "SIGCONT",
  stop: "orderly, and it stays down",
  start: "what was stopped or killed",
  restart: "orderly, and again",
} as const;

export type Order =
  | { readonly kind: "status" }
  | { readonly kind: keyof typeof verbs; readonly target: string }
  | { readonly kind: "scale"; readonly role: Role; readonly count: number };

export type ReadOrder = { readonly order: Order } | { readonly help: string } | { readonly problem: string };

const help = `npm run native -- status
${Object.entries(verbs)
  .map(([verb, meaning]) => `npm run native -- ${`${verb} NAME`.padEnd(14)}  ${meaning}`)
  .join("\n")}
npm run native -- scale ROLE N     as many processes of the role: ${roles.join(", ")}

NAME is a line of status. A role's process goes with its sidecar: kill actors-2 is the whole host;
actors-2-app is the process alone, actors-2-daprd the sidecar alone.
`;

/** @param argv e.g. ["kill", "actors-2"] */
export function readOrder(argv: readonly string[]): ReadOrder {
  const [verb, first, second] = argv;
  if (verb === undefined || verb === "--help" || verb === "-h") return { help };
  if (verb === "status") return { order: { kind: "status" } };
  if (verb === "scale") return readScale(first, second);
  if (!Object.hasOwn(verbs, verb)) return { problem: `${verb} is no command.\n\n${help}` };
  if (first === undefined) return { problem: `${verb} needs the name of a process: see npm run native -- status.` };
  return { order: { kind: verb as keyof typeof verbs, target: first } };
}

function readScale(role: string | undefined, count: string | undefined): ReadOrder {
  const known = roles.find((each) => each === role);
  if (known === undefined) return { problem: `scale needs a role: one of ${roles.join(", ")}.` };
  if (count === undefined || !/^[1-9]\d?$/.test(count))
    return { problem: `scale ${known} needs a number from 1 to 99, not "${count ?? ""}".` };
  return { order: { kind: "scale", role: known, count: Number(count) } };
}

/** Does it, and says what has been done. @throws UnknownProcess */
export async function carryOut(system: NativeSystem, order: Order): Promise<string> {
  if (order.kind === "status") return table(system);
  if (order.kind === "scale") {
    await system.scale(order.role, order.count);
    return `There ${order.count === 1 ? "is" : "are"} ${order.count} of ${order.role} now.\n`;
  }
  const { kind } = order;
  const targets = targetsOf(system, order.target);
  await Promise.all(targets.map((target) => target[kind]()));
  return `${table(system, new Set(targets.map(({ name }) => name)))}`;
}

function targetsOf(system: NativeSystem, target: string) {
  if (target.endsWith("-app")) return [system.process(target.slice(0, -"-app".length))];
  const sidecar = system.processes.get(`${target}-daprd`);
  return sidecar === undefined ? [system.process(target)] : [system.process(target), sidecar];
}

function table(system: NativeSystem, only?: ReadonlySet<string>): string {
  const rows = system.status().filter(({ name }) => only === undefined || only.has(name));
  const width = Math.max(...rows.map(({ name }) => name.length));
  return rows
    .map(({ name, state, pid, restarts }) => {
      const id = pid === null ? "" : `pid ${pid}`;
      const came = restarts === 0 ? "" : `  came back ${restarts} ${restarts === 1 ? "time" : "times"}`;
      return `${`${name.padEnd(width)}  ${state.padEnd(8)}  ${id.padEnd(11)}${came}`.trimEnd()}\n`;
    })
    .join("");
}
