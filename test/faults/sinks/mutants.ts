/** Sinks that are wrong in ways that only a crash shows, to see that the kill tests find them. */
import type { ObjectStore } from "../../../ports/object-store/port.ts";
import type { SinkTarget } from "../../../sinks/target.ts";

export const mutants = [
  { sink: "timeseries", mutant: "stores its progress before the rows" },
  { sink: "quality", mutant: "adds its counts, and stores its progress afterwards" },
  { sink: "fleet", mutant: "adds its counts, and stores its progress afterwards" },
  { sink: "archive", mutant: "lists a file before it is put" },
  { sink: "clickhouse", mutant: "stores its progress before the rows" },
] as const;
export type Mutant = (typeof mutants)[number]["mutant"];

export function mutated(target: SinkTarget, mutant: Mutant | null): SinkTarget {
  switch (mutant) {
    case "stores its progress before the rows":
      return {
        ...target,
        async commit(items, progress) {
          await target.commit([], progress);
          await target.commit(items, { ...progress, from: progress.to });
        },
      };
    case "adds its counts, and stores its progress afterwards":
      return {
        ...target,
        async commit(items, progress) {
          await target.commit(items, { ...progress, to: progress.from });
          await target.commit([], progress);
        },
      };
    default:
      return target;
  }
}

/** One that has a `put` wait until it is asked for something else. */
export function mutatedStore(store: ObjectStore, mutant: Mutant | null): ObjectStore {
  if (mutant !== "lists a file before it is put") return store;
  let waiting: (() => Promise<unknown>)[] = [];
  return new Proxy(store, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== "function" || name === "list") return member;
      return async (...args: unknown[]) => {
        const before = waiting;
        waiting = [];
        for (const put of before) await put();
        if (name !== "put") return member.apply(target, args);
        waiting.push(() => member.apply(target, args));
        return "stored";
      };
    },
  });
}
