/** A store with faults, for tests: what a network and a disk do, at the call where a test wants it. */
import { type ObjectStore, StoreAway } from "./port.ts";

export type StoreCall = {
  readonly call: "put" | "replace" | "get" | "getRange" | "size" | "delete" | "list";
  readonly key: string;
};

export type Fault =
  /** Fails and has done nothing. */
  | { readonly kind: "refused"; readonly error?: Error }
  /** Fails after it was done: the answer was lost. */
  | { readonly kind: "answerLost"; readonly error?: Error }
  /** Waits for that first. */
  | { readonly kind: "slow"; readonly until: Promise<unknown> };

/** Null: the call goes well. */
export type FaultPlan = (call: StoreCall) => Fault | null;

export function faultyStore(store: ObjectStore, plan: FaultPlan): ObjectStore {
  async function through<T>(call: StoreCall["call"], key: string, work: () => Promise<T>): Promise<T> {
    const fault = plan({ call, key });
    const error = () =>
      (fault as { error?: Error }).error ??
      new StoreAway(`${store.place} cannot ${call} ${key}: a fault was put here.`);
    if (fault?.kind === "refused") throw error();
    if (fault?.kind === "slow") await fault.until;
    const result = await work();
    if (fault?.kind === "answerLost") throw error();
    return result;
  }
  return {
    place: store.place,
    put: (key, body) => through("put", key, () => store.put(key, body)),
    replace: (key, body) => through("replace", key, () => store.replace(key, body)),
    get: (key) => through("get", key, () => store.get(key)),
    getRange: (key, start, end) => through("getRange", key, () => store.getRange(key, start, end)),
    size: (key) => through("size", key, () => store.size(key)),
    delete: (key) => through("delete", key, () => store.delete(key)),
    async *list(prefix) {
      await through("list", prefix, async () => {});
      yield* store.list(prefix);
    },
    setLifecycle: (prefix, days) => store.setLifecycle(prefix, days),
    close: () => store.close(),
  };
}
