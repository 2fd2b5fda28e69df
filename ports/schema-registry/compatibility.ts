/**
 * Whether data written with one Avro schema can be read with another, by the rules of the Avro specification 1.12
 * ("Schema Resolution"), as far as avsc knows them. For registries that are no registry server.
 */
import avsc from "avsc"; // CommonJS
import { BadSchema, type Compatibility } from "./port.ts";

/** BACKWARD: can `schema` read what `older` has written? @throws BadSchema */
export function backwardCompatibility(schema: string, older: string): Compatibility {
  const reader = parseSchema(schema);
  const writer = parseSchema(older);
  try {
    reader.createResolver(writer);
    return { kind: "compatible" };
  } catch (error) {
    return { kind: "incompatible", detail: (error as Error).message.slice(0, 1_000) };
  }
}

/** @throws BadSchema */
export function parseSchema(schema: string): avsc.Type {
  try {
    return avsc.Type.forSchema(JSON.parse(schema));
  } catch (cause) {
    throw new BadSchema(`This is no Avro schema: ${(cause as Error).message}. It begins with ${schema.slice(0, 60)}`, {
      cause,
    });
  }
}

/** The same text for schemas that differ only in white space. @throws BadSchema */
export function normalized(schema: string): string {
  parseSchema(schema);
  return JSON.stringify(JSON.parse(schema));
}
