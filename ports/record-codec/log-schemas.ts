/** The Avro schemas by which this release writes the log: the files in schemas/, one per topic. */
import { readFileSync } from "node:fs";
import { type LogTopic, logTopics } from "../record-log/port.ts";

/** By topic, as JSON text. */
export const logSchemas: Readonly<Record<LogTopic, string>> = schemasIn(new URL("../../schemas/", import.meta.url));

/** The schemas in a folder of the layout of schemas/. */
export function schemasIn(folder: URL): Record<LogTopic, string> {
  const texts = logTopics.map((topic) => [topic, readFileSync(new URL(`${topic}.avsc`, folder), "utf8")] as const);
  return Object.fromEntries(texts) as Record<LogTopic, string>;
}

/** Confluent's TopicNameStrategy. `prefix` as in the topic's own name. */
export function subjectOf(topic: LogTopic, prefix = ""): string {
  return `${prefix}${topic}-value`;
}
