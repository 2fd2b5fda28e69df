/** Dead letters as values of schemas/dead-letter.avsc, in the form that avsc takes and gives. */
import type { DeadLettered } from "../../core/device/records.ts";
import { nothingLeft } from "./covered.ts";

/** @throws TypeError for a field that the schema does not have */
export function letterValue(record: DeadLettered): Readonly<Record<string, unknown>> {
  const { kind: _, atMs, topic, reason, detail, payload, encoding, type, region, broken, ...rest } = record;
  nothingLeft(rest);
  return { atMs, topic, reason, detail, payload, encoding, type, region, broken };
}

/** The record of a value of this schema's version or another. */
export function letterOf(value: { readonly [F in keyof DeadLettered]: never }): DeadLettered {
  const { atMs, topic, reason, detail, payload, encoding, type, region, broken } = value;
  const rules = broken as readonly { rule: string; metric: string }[] | null | undefined;
  return {
    ...{ kind: "deadLettered", atMs, topic, reason, detail, payload, encoding },
    ...(type == null ? {} : { type }),
    ...(region == null ? {} : { region }),
    ...(rules == null ? {} : { broken: rules.map(({ rule, metric }) => ({ rule, metric })) }),
  };
}
