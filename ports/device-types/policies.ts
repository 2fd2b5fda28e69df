import type { TwinPolicy } from "../../core/device/policy.ts";
import type { DeviceTypes } from "./port.ts";

/** The policies of all device types, as of the last look at the store. */
export type Policies = {
  /** What holds for a type without numbers of its own. */
  readonly base: TwinPolicy;
  readonly of: (type: string) => TwinPolicy;
  /** Looks now; true if something has changed. Rejects when the store does not answer: what was known stays. */
  readonly reload: () => Promise<boolean>;
};

/** The configured policy, and over it what each device type says of its own. */
export async function openPolicies(base: TwinPolicy, deviceTypes: Pick<DeviceTypes, "all">): Promise<Policies> {
  let byType = new Map<string, TwinPolicy>();
  let known = "";
  const reload = async () => {
    const types = [...(await deviceTypes.all())];
    const text = JSON.stringify(types);
    if (text === known) return false;
    known = text;
    byType = new Map(types.map(([type, numbers]) => [type, { ...base, ...numbers }]));
    return true;
  };
  await reload();
  return { base, of: (type) => byType.get(type) ?? base, reload };
}

/** Looks again each `everyMs`, for a process that nobody tells of changes. Gives the function that ends it. */
export function watchPolicies(
  policies: Policies,
  everyMs: number,
  told: { readonly changed: () => void; readonly trouble: (error: Error) => void },
): () => void {
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    policies
      .reload()
      .then((changed) => {
        if (changed) told.changed();
      }, told.trouble)
      .finally(() => {
        looking = false;
      });
  }, everyMs);
  return () => clearInterval(timer);
}
