import { isJsonObject } from "../json.ts";

/** The numbers by which twins of one device type are judged; all times in milliseconds. */
export type TwinPolicy = {
  /** Online without a message for this long → offline. */
  readonly silenceMs: number;
  /** A lost connection is announced only if the device is not back within this time. */
  readonly graceMs: number;
  /** The same grace after a restart of this process, which broke every connection at once. */
  readonly restartGraceMs: number;
  /** This many status edges within `flapWindowMs` mark the device as flapping … */
  readonly flapEdges: number;
  readonly flapWindowMs: number;
  /** … until it has had none for this long. */
  readonly steadyMs: number;
  /** Most bytes of desired + reported as JSON, metadata not counted (AWS: 8 KB). */
  readonly shadowMaxBytes: number;
  /** Most levels of nesting in desired or reported (AWS: 6). */
  readonly shadowMaxDepth: number;
  /** A reading whose device time is further ahead of ours than this is refused. */
  readonly maxClockAheadMs: number;
  /** Open commands (not yet in a terminal state) that one device may have. */
  readonly maxOpenCommands: number;
};

export const defaultPolicy: TwinPolicy = {
  silenceMs: 60_000,
  graceMs: 3_000,
  restartGraceMs: 15_000,
  flapEdges: 6,
  flapWindowMs: 120_000,
  steadyMs: 120_000,
  shadowMaxBytes: 8_192,
  shadowMaxDepth: 6,
  maxClockAheadMs: 24 * 3_600_000,
  maxOpenCommands: 100,
};

/** A policy's numbers, or every problem with them as a sentence. */
export type ParsedPolicy =
  | { readonly kind: "policy"; readonly policy: Partial<TwinPolicy> }
  | { readonly kind: "refused"; readonly problems: readonly string[] };

/** Reads numbers that override the defaults, as an operator gave them. A field that is absent keeps its default. */
export function parsePolicy(value: unknown): ParsedPolicy {
  if (!isJsonObject(value)) return { kind: "refused", problems: ['A policy is an object like {"silenceMs": 60000}.'] };
  const policy: Partial<Record<keyof TwinPolicy, number>> = {};
  const problems: string[] = [];
  for (const [field, number] of Object.entries(value)) {
    if (!isField(field)) {
      problems.push(
        `"${field.slice(0, 60)}" is no number of a policy; there are ${Object.keys(defaultPolicy).join(", ")}.`,
      );
      continue;
    }
    const most = largest[field] ?? maxMs;
    if (typeof number === "number" && Number.isSafeInteger(number) && number >= 1 && number <= most)
      policy[field] = number;
    else
      problems.push(`${field} is ${JSON.stringify(number).slice(0, 60)} but needs a whole number from 1 to ${most}.`);
  }
  return problems.length === 0 ? { kind: "policy", policy } : { kind: "refused", problems };
}

/** The whole policy of a type: the defaults, and over them what its numbers say. */
export function policyWith(numbers: Partial<TwinPolicy> | undefined): TwinPolicy {
  return { ...defaultPolicy, ...numbers };
}

/** A year: longer times mean "never", and one too many zeros. */
const maxMs = 365 * 86_400_000;
/** What is no time, and what one twin in memory can bear. */
const largest: Partial<Record<keyof TwinPolicy, number>> = {
  flapEdges: 100,
  shadowMaxBytes: 1_048_576,
  shadowMaxDepth: 32,
  maxOpenCommands: 10_000,
};

function isField(field: string): field is keyof TwinPolicy {
  return Object.hasOwn(defaultPolicy, field);
}
