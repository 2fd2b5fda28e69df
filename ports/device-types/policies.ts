import type { TwinPolicy } from "../../core/device/policy.ts";
import { type CompiledRules, compileRules, defaultRules, type SchemaCheck } from "../../core/quality/compiled-rules.ts";
import { rulesWith } from "../../core/quality/rules.ts";
import { messageSchemas } from "../message-schema/ajv.ts";
import type { DeviceType, DeviceTypes } from "./port.ts";

/** The policies and quality rules of all device types, as of the last look at the store. */
export type Policies = {
  /** What holds for a type without numbers of its own. */
  readonly base: TwinPolicy;
  readonly of: (type: string) => TwinPolicy;
  /** With the check of the type's newest message schema. */
  readonly rulesOf: (type: string) => CompiledRules;
  /** Looks now; true if something has changed. Rejects when the store does not answer: what was known stays. */
  readonly reload: () => Promise<boolean>;
};

type Known = { readonly text: string; readonly policy: TwinPolicy; readonly rules: CompiledRules };

/**
 * The configured policy and the default rules, and over them what each device type says of its own. A stored schema that
 * cannot be read, since another release wrote it, is told to `trouble`; messages of its type are judged without it.
 */
export async function openPolicies(
  base: TwinPolicy,
  deviceTypes: Pick<DeviceTypes, "all" | "revision">,
  trouble: (message: string) => void = () => {},
): Promise<Policies> {
  let byType = new Map<string, Known>();
  let known: number | null = null;
  let looking: Promise<unknown> = Promise.resolve();
  const look = async () => {
    const revision = await deviceTypes.revision();
    if (revision === known) return false;
    const before = byType;
    let changed = false;
    const after = new Map<string, Known>();
    for (const [type, settings] of await deviceTypes.all()) {
      const text = JSON.stringify(settings);
      const same = before.get(type)?.text === text ? before.get(type) : undefined;
      if (same === undefined) changed = true;
      after.set(type, same ?? { text, ...judgedBy(type, settings) });
    }
    changed ||= after.size !== before.size;
    byType = after;
    known = revision;
    return changed;
  };
  /** One after the other: a slow look must not bring back what a later one has seen replaced. */
  const reload = () => {
    const looked = looking.then(look, look);
    looking = looked;
    return looked;
  };
  const judgedBy = (type: string, { policy, quality, schema }: DeviceType) => ({
    policy: { ...base, ...policy },
    rules: compileRules(rulesWith(quality), schema === null ? null : checkOf(type, schema.schema)),
  });
  const checkOf = (type: string, schema: unknown): SchemaCheck | null => {
    const compiled = messageSchemas.compile(schema);
    if (compiled.kind === "schema") return compiled.check;
    trouble(`The message schema of device type ${type} cannot be read, and is not applied: ${compiled.problems[0]}`);
    return null;
  };
  await reload();
  return {
    base,
    of: (type) => byType.get(type)?.policy ?? base,
    rulesOf: (type) => byType.get(type)?.rules ?? defaultRules,
    reload,
  };
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
