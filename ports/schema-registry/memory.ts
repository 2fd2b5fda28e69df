import { backwardCompatibility, normalized } from "./compatibility.ts";
import { IncompatibleSchema, type SchemaRegistry } from "./port.ts";

/** A registry for one process, ids from 1 on. */
export function openMemorySchemaRegistry(): SchemaRegistry {
  const schemas: string[] = [];
  /** By subject: ids, the newest last. */
  const subjects = new Map<string, number[]>();

  const check: SchemaRegistry["check"] = async (subject, schema) => {
    const text = normalized(schema);
    const versions = (subjects.get(subject) ?? []).map((id) => schemas[id - 1]!);
    const newest = versions.at(-1);
    if (newest === undefined || versions.includes(text)) return { kind: "compatible" };
    return backwardCompatibility(text, newest);
  };

  return {
    check,
    async register(subject, schema) {
      const text = normalized(schema);
      const found = await check(subject, schema);
      if (found.kind === "incompatible") throw new IncompatibleSchema(subject, found.detail);
      if (!schemas.includes(text)) schemas.push(text);
      const id = schemas.indexOf(text) + 1;
      const versions = subjects.get(subject) ?? [];
      if (!versions.includes(id)) subjects.set(subject, [...versions, id]);
      return id;
    },
    async schema(id) {
      return schemas[id - 1] ?? null;
    },
  };
}
