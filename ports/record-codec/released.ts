/**
 * The schemas of the versions that were released, in schemas/released/: what any log out there may hold. Today's have to
 * read what the last one of them has written; that needs no registry.
 */
import { readdirSync } from "node:fs";
import { type LogTopic, logTopics } from "../record-log/port.ts";
import { backwardCompatibility } from "../schema-registry/compatibility.ts";
import { schemasIn } from "./log-schemas.ts";

export type ReleasedSchemas = {
  /** 1, 2, … as the folders count: v1, v2, … */
  readonly version: number;
  readonly schemas: Readonly<Record<LogTopic, string>>;
};

/** The oldest first. */
export function releasedSchemas(): ReleasedSchemas[] {
  const folder = new URL("../../schemas/released/", import.meta.url);
  const versions = readdirSync(folder).flatMap((name) => /^v(\d+)$/.exec(name)?.[1] ?? []);
  return versions
    .map(Number)
    .toSorted((a, b) => a - b)
    .map((version) => ({ version, schemas: schemasIn(new URL(`v${version}/`, folder)) }));
}

/** What of `schemas` cannot read what `older` has written, as sentences. */
export function incompatibilities(
  schemas: Readonly<Record<LogTopic, string>>,
  older: Readonly<Record<LogTopic, string>>,
): string[] {
  return logTopics.flatMap((topic) => {
    const found = backwardCompatibility(schemas[topic], older[topic]);
    return found.kind === "compatible" ? [] : [`schemas/${topic}.avsc: ${found.detail}`];
  });
}
