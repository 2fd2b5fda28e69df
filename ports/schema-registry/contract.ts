import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { BadSchema, IncompatibleSchema, type SchemaRegistry } from "./port.ts";

export type OpenedRegistry = {
  readonly registry: SchemaRegistry;
  /** Another process at the same registry. */
  readonly other: SchemaRegistry;
  readonly close: () => Promise<void>;
};

/** The promises of `SchemaRegistry` (port.ts) as tests. Subjects are the test's own: the registry may be shared. */
export function schemaRegistryContract(name: string, open: () => Promise<OpenedRegistry>): void {
  describe(`${name} as SchemaRegistry`, () => {
    let opened: OpenedRegistry;
    beforeAll(async () => {
      opened = await open();
      return opened.close;
    }, 300_000); // the first time ever, a server is fetched
    const aSubject = () => `test-${randomUUID()}-value`;

    test("a schema has one id, whoever registers it and however it is spaced", async () => {
      const { registry, other } = opened;
      const subject = aSubject();
      const id = await registry.register(subject, pump(["speed"]));
      expect(id).toBeGreaterThan(0);
      expect(await registry.register(subject, pump(["speed"]))).toBe(id);
      expect(await other.register(subject, pump(["speed"]))).toBe(id);
      expect(JSON.parse((await other.schema(id))!)).toEqual(JSON.parse(pump(["speed"])));
    });

    test("many that register the same schema at once get one id", async () => {
      const { registry, other } = opened;
      const subject = aSubject();
      const schema = pump(["speed", subject.replaceAll("-", "_")]);
      const ids = await Promise.all([registry, other, registry, other].map((each) => each.register(subject, schema)));
      expect(new Set(ids).size).toBe(1);
    });

    test("a new version gets an id of its own, and the old one keeps its", async () => {
      const { registry, other } = opened;
      const subject = aSubject();
      const first = await registry.register(subject, pump(["speed"]));
      const schema = pump(["speed"], ["pressure"]);
      expect(await registry.check(subject, schema)).toEqual({ kind: "compatible" });
      const second = await registry.register(subject, schema);
      expect(second).not.toBe(first);
      expect(JSON.parse((await other.schema(first))!)).toEqual(JSON.parse(pump(["speed"])));
      expect(JSON.parse((await other.schema(second))!)).toEqual(JSON.parse(schema));
      // An older release that starts again
      expect(await registry.check(subject, pump(["speed"]))).toEqual({ kind: "compatible" });
      expect(await other.register(subject, pump(["speed"]))).toBe(first);
    });

    test("what cannot read the newest version is refused, in words, and changes nothing", async () => {
      const { registry } = opened;
      const subject = aSubject();
      const id = await registry.register(subject, pump(["speed"]));
      const schema = pump(["speed", "pressure"]);
      expect(await registry.check(subject, schema)).toMatchObject({ kind: "incompatible", detail: expect.any(String) });
      const failure = await registry.register(subject, schema).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(IncompatibleSchema);
      expect(failure).toMatchObject({ name: "IncompatibleSchema", code: "INCOMPATIBLE_SCHEMA", retry: "never" });
      expect((failure as Error).message).toContain(subject);
      expect(await registry.check(subject, pump(["speed"], ["flow"]))).toEqual({ kind: "compatible" });
      expect(await registry.register(subject, pump(["speed"]))).toBe(id);
    });

    test("the first schema of a subject is compatible, and checking it registers nothing", async () => {
      const { registry, other } = opened;
      const subject = aSubject();
      expect(await registry.check(subject, pump(["speed"]))).toEqual({ kind: "compatible" });
      await other.register(subject, pump(["pressure"]));
    });

    test("subjects do not bind each other", async () => {
      const { registry } = opened;
      await registry.register(aSubject(), pump(["speed"]));
      await registry.register(aSubject(), pump(["pressure"]));
    });

    test("an id that nobody has given has no schema", async () => {
      const { registry } = opened;
      expect(await registry.schema(2_000_000_000)).toBeNull();
    });

    test("what is no Avro schema is refused", async () => {
      const { registry } = opened;
      const failure = await registry.register(aSubject(), '{"type":"pump"}').catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(BadSchema);
      expect(failure).toMatchObject({ name: "BadSchema", code: "BAD_SCHEMA", retry: "never" });
    });
  });
}

function pump(fields: readonly string[], withDefault: readonly string[] = []): string {
  return JSON.stringify({
    type: "record",
    name: "Pump",
    fields: [
      ...fields.map((name) => ({ name, type: "long" })),
      ...withDefault.map((name) => ({ name, type: "long", default: 0 })),
    ],
  });
}
