import type { JsonObject } from "../../core/json.ts";
import type { SchemaCheck } from "../../core/quality/compiled-rules.ts";

/**
 * What reads the message schemas of device types: JSON Schema, draft 2020-12 (also where `$schema` is absent) or draft-07,
 * of one message as its device sends it: `{"ts", "seq", "boot", "id", "readings", "tags"}`.
 *
 * V1 What is compiled ends: within a time that message and schema bound, whatever both are. What may not is refused.
 * V2 A schema is all there is: it refers to nothing outside itself, and nothing is fetched.
 * V3 The check throws nothing, and leaves the message as it is.
 */
export interface MessageSchemas {
  /** Reads a schema as an operator gave it; every problem as a sentence. */
  compile(schema: unknown): CompiledSchema;
  /**
   * What keeps messages that fit `older` from fitting `newer`, a sentence each; none: whatever fits the one fits the
   * other. In doubt there is a difference: what cannot be compared counts as one. Both must compile.
   */
  differences(older: JsonObject, newer: JsonObject): readonly string[];
}

export type CompiledSchema =
  | { readonly kind: "schema"; readonly schema: JsonObject; readonly check: SchemaCheck }
  | { readonly kind: "refused"; readonly problems: readonly string[] };
