/**
 * Where Avro schemas get the numbers by which a record in the log names its own. A subject ("iot-telemetry-value") is a
 * list of versions; each is to be able to read what the one before it has written (BACKWARD).
 *
 * S1 The same schema under the same subject has one id, whoever registers it, and however often.
 * S2 An id names the same schema for ever.
 * S3 What cannot read the subject's newest version is refused, and changes nothing. A version that is there already is
 *    not judged again: an older release that starts beside a newer one gets the id that it had.
 */
export interface SchemaRegistry {
  /**
   * The schema's id, after it was made the subject's newest version if it is new.
   * @throws IncompatibleSchema (S3) | BadSchema | RegistryAway
   */
  register(subject: string, schema: string): Promise<number>;
  /** Whether `register` would take it. Changes nothing. @throws BadSchema | RegistryAway */
  check(subject: string, schema: string): Promise<Compatibility>;
  /** The schema with that id, as JSON text; null: there is none. @throws RegistryAway */
  schema(id: number): Promise<string | null>;
}

export type Compatibility =
  | { readonly kind: "compatible" }
  /** `detail` says which field or type is in the way. */
  | { readonly kind: "incompatible"; readonly detail: string };

/** It could not read what is in the log under that subject. */
export class IncompatibleSchema extends Error {
  override readonly name = "IncompatibleSchema";
  readonly code = "INCOMPATIBLE_SCHEMA";
  readonly retry = "never";
  constructor(subject: string, detail: string) {
    super(
      `The schema of ${subject} cannot read what its newest version has written: ${detail}. Give new fields a default, ` +
        "remove none without one, and change no type; or use another topic.",
    );
  }
}

/** It is no Avro schema. */
export class BadSchema extends Error {
  override readonly name = "BadSchema";
  readonly code = "BAD_SCHEMA";
  readonly retry = "never";
}

/** The registry does not answer, or not with what it should. */
export class RegistryAway extends Error {
  override readonly name = "RegistryAway";
  readonly code = "REGISTRY_AWAY";
  readonly retry = "later";
}
