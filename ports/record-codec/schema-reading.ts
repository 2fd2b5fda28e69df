/** Reading Avro bytes of one schema's version as another's, by the rules of the specification, with avsc. */
import avsc from "avsc"; // CommonJS

export type ValueReader = {
  /** The schema's full name: "doppel.Telemetry". */
  readonly name: string;
  /** Whether writer and reader put the same bytes: names, types and their order are the same. */
  readonly same: boolean;
  /** The value at `at`, and where the bytes after it begin. @throws Error for bytes that are none */
  read(bytes: Buffer, at: number): { readonly value: unknown; readonly end: number };
};

/**
 * Gives what `writer` has written as `reader` would have it: defaults for fields that the writer did not have, and
 * without those that the reader does not have.
 *
 * A newer writer may have kinds and words of which the reader knows nothing. A value that does not use them is still
 * worth reading, so it is then given as the writer has it: whoever takes it must leave alone what he does not know.
 * @throws Error when `writer` is no Avro schema
 */
export function valueReader(writer: string, reader: string): ValueReader {
  const from = avsc.Type.forSchema(JSON.parse(writer));
  const to = avsc.Type.forSchema(JSON.parse(reader));
  const same = from.equals(to);
  const resolver = same ? undefined : resolverOf(from, to);
  return {
    name: from.name ?? from.typeName,
    same,
    read(bytes, at) {
      const { value, offset } = resolver === undefined ? from.decode(bytes, at) : to.decode(bytes, at, resolver);
      if (offset < 0) throw new RangeError("it ends too early");
      return { value, end: offset };
    },
  };
}

function resolverOf(from: avsc.Type, to: avsc.Type): ReturnType<avsc.Type["createResolver"]> | undefined {
  try {
    return to.createResolver(from);
  } catch {
    return undefined;
  }
}
