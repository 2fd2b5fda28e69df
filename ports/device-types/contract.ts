import { describe, expect, onTestFinished, test } from "vitest";
import { defaultPolicy } from "../../core/device/policy.ts";
import type { QualityRules } from "../../core/quality/rules.ts";
import { type DeviceTypes, plainType } from "./port.ts";

export type OpenedDeviceTypes = { readonly deviceTypes: DeviceTypes; readonly close: () => Promise<void> };

const quality: QualityRules = {
  zeta: { kind: "range", metrics: ["pressure"], min: 0, max: 16, action: "quarantine" },
  alpha: { kind: "stuck", metrics: ["pressure", "flow"], forMs: 60_000, action: "flag" },
};

/** The promises of `DeviceTypes` (port.ts) as tests. */
export function deviceTypesContract(name: string, open: () => Promise<OpenedDeviceTypes>): void {
  async function opened(): Promise<DeviceTypes> {
    const { deviceTypes, close } = await open();
    onTestFinished(close);
    return deviceTypes;
  }

  describe(`${name} as DeviceTypes`, () => {
    test("at first no type differs from the defaults", async () => {
      const types = await opened();
      expect(await types.all()).toEqual(new Map());
      expect(await types.of("pump")).toEqual(plainType);
      expect(await types.schemasOf("pump")).toEqual([]);
      expect(await types.retentionOf()).toEqual(new Map());
    });

    test("what was put for a type is what comes back, types in order of their names", async () => {
      const types = await opened();
      const valve = { policy: { silenceMs: 3_600_000, flapEdges: 4 }, quality, retentionDays: 7 };
      await types.put("valve", valve);
      await types.put("Pumpe größer", {});
      await types.put("pump", { policy: defaultPolicy });
      expect([...(await types.all())]).toEqual([
        ["Pumpe größer", plainType],
        ["pump", { ...plainType, policy: defaultPolicy }],
        ["valve", { ...valve, schema: null }],
      ]);
      expect(await types.of("valve")).toEqual({ ...valve, schema: null });
      expect(Object.keys((await types.of("valve")).quality)).toEqual(["zeta", "alpha"]);
    });

    test("putting a setting again replaces it as a whole, and leaves the others", async () => {
      const types = await opened();
      await types.put("valve", { policy: { silenceMs: 3_600_000, flapEdges: 4 }, quality, retentionDays: 7 });
      await types.put("valve", { policy: { graceMs: 1_000 } });
      expect(await types.of("valve")).toEqual({ policy: { graceMs: 1_000 }, quality, retentionDays: 7, schema: null });
      await types.put("valve", { retentionDays: null, quality: {} });
      expect(await types.all()).toEqual(new Map([["valve", { ...plainType, policy: { graceMs: 1_000 } }]]));
    });

    test("quality rules are replaced only if they still are those that are named", async () => {
      const types = await opened();
      const other: QualityRules = { alpha: quality.alpha! };
      expect(await types.put("valve", { quality }, { quality: other })).toBe(false);
      expect(await types.all()).toEqual(new Map());
      expect(await types.put("valve", { quality }, { quality: {} })).toBe(true);
      expect(await types.put("valve", { quality: other }, { quality: {} })).toBe(false);
      const { zeta, alpha } = quality;
      expect(await types.put("valve", { quality: other }, { quality: { alpha: alpha!, zeta: zeta! } })).toBe(false);
      await types.put("valve", { retentionDays: 7 });
      expect(await types.put("valve", { quality: other }, { quality: (await types.of("valve")).quality })).toBe(true);
      expect(await types.of("valve")).toMatchObject({ quality: other, retentionDays: 7 });
      const outcomes = await Promise.all(
        ["a", "b", "c"].map((name) => types.put("valve", { quality: { [name]: alpha! } }, { quality: other })),
      );
      expect(outcomes.filter((done) => done)).toHaveLength(1);
    });

    test("a removed type has the defaults again, and no schema", async () => {
      const types = await opened();
      await types.put("valve", { policy: { graceMs: 1_000 }, quality, retentionDays: 7 });
      await types.addSchema("valve", { type: "object" }, { replacing: 0, nowMs: 1 });
      expect(await types.remove("valve")).toBe(true);
      expect(await types.remove("valve")).toBe(false);
      expect(await types.all()).toEqual(new Map());
      expect(await types.schemasOf("valve")).toEqual([]);
      expect(await types.addSchema("valve", {}, { replacing: 0, nowMs: 2 })).toEqual({ kind: "added", version: 1 });
    });

    test("changing what was given or got changes nothing that is stored", async () => {
      const types = await opened();
      const policy = { graceMs: 1_000 };
      const schema = { required: ["a"] };
      await types.put("valve", { policy });
      await types.addSchema("valve", schema, { replacing: 0, nowMs: 1 });
      policy.graceMs = 2_000;
      schema.required.push("b");
      Object.assign((await types.all()).get("valve")!.policy, { graceMs: 3_000 });
      Object.assign((await types.of("valve")).policy, { graceMs: 3_000 });
      expect(await types.of("valve")).toEqual({
        ...plainType,
        policy: { graceMs: 1_000 },
        schema: { version: 1, schema: { required: ["a"] }, createdAtMs: 1 },
      });
    });

    test("versions of a schema are kept, and the newest is the one that holds", async () => {
      const types = await opened();
      expect(await types.addSchema("valve", { minProperties: 1 }, { replacing: 0, nowMs: 1_800_000_000_000 })).toEqual({
        kind: "added",
        version: 1,
      });
      await types.addSchema("valve", {}, { replacing: 1, nowMs: 1_800_000_000_001 });
      const newest = { version: 2, schema: {}, createdAtMs: 1_800_000_000_001 };
      expect(await types.of("valve")).toEqual({ ...plainType, schema: newest });
      expect(await types.all()).toEqual(new Map([["valve", { ...plainType, schema: newest }]]));
      expect(await types.schemasOf("valve")).toEqual([
        { version: 1, schema: { minProperties: 1 }, createdAtMs: 1_800_000_000_000 },
        newest,
      ]);
    });

    test("of several who add the same version at once, one does", async () => {
      const types = await opened();
      const outcomes = await Promise.all(
        ["a", "b", "c", "d"].map((title) => types.addSchema("valve", { title }, { replacing: 0, nowMs: 1 })),
      );
      expect(outcomes.filter(({ kind }) => kind === "added")).toEqual([{ kind: "added", version: 1 }]);
      expect(outcomes.filter(({ kind }) => kind === "stale")).toEqual(Array(3).fill({ kind: "stale", newest: 1 }));
      expect(await types.schemasOf("valve")).toHaveLength(1);
      expect(await types.addSchema("valve", {}, { replacing: 7, nowMs: 1 })).toEqual({ kind: "stale", newest: 1 });
    });

    test("every change moves the revision, and reading does not", async () => {
      const types = await opened();
      const changes: [string, () => Promise<unknown>][] = [
        ["a type", () => types.put("valve", { policy: { graceMs: 1_000 } })],
        ["a setting", () => types.put("valve", { retentionDays: 7 })],
        ["rules in place of others", () => types.put("valve", { quality }, { quality: {} })],
        ["a schema", () => types.addSchema("valve", {}, { replacing: 0, nowMs: 1 })],
        ["a schema's next version", () => types.addSchema("valve", { title: "2" }, { replacing: 1, nowMs: 2 })],
        ["a schema of a type without an entry", () => types.addSchema("pump", {}, { replacing: 0, nowMs: 3 })],
        ["a type that goes", () => types.remove("valve")],
      ];
      for (const [what, change] of changes) {
        const before = await types.revision();
        await Promise.all([types.all(), types.of("valve"), types.schemasOf("valve"), types.retentionOf()]);
        expect(await types.revision(), what).toBe(before);
        await change();
        expect(await types.revision(), what).not.toBe(before);
      }
    });

    test("what is read after a revision has every change up to it, while others change types at once", async () => {
      const types = await opened();
      const names = Array.from({ length: 24 }, (_, number) => `type-${number}`);
      const looks: { revision: number; seen: number }[] = [];
      const look = async () => {
        const revision = await types.revision();
        looks.push({ revision, seen: (await types.all()).size });
      };
      let changing = true;
      const changes = Promise.all(names.map((name) => types.put(name, {}))).finally(() => {
        changing = false;
      });
      while (changing) await look();
      await changes;
      const last = await types.revision();
      await look();
      for (const { revision, seen } of looks) {
        if (revision === last) expect(seen).toBe(names.length);
        const earlier = looks.filter((other) => other.revision < revision).map((other) => other.revision);
        expect(seen).toBeGreaterThanOrEqual(new Set(earlier).size);
      }
    });

    test("the types that say how long their telemetry is kept are listed", async () => {
      const types = await opened();
      await types.put("valve", { retentionDays: 7 });
      await types.put("pump", { policy: { graceMs: 1 } });
      expect(await types.retentionOf()).toEqual(new Map([["valve", 7]]));
    });
  });
}
