import { describe, expect, onTestFinished, test } from "vitest";
import { defaultPolicy } from "../../core/device/policy.ts";
import type { DeviceTypes } from "./port.ts";

export type OpenedDeviceTypes = { readonly deviceTypes: DeviceTypes; readonly close: () => Promise<void> };

/** The promises of `DeviceTypes` (port.ts) as tests. */
export function deviceTypesContract(name: string, open: () => Promise<OpenedDeviceTypes>): void {
  async function opened(): Promise<DeviceTypes> {
    const { deviceTypes, close } = await open();
    onTestFinished(close);
    return deviceTypes;
  }

  describe(`${name} as DeviceTypes`, () => {
    test("at first no type differs from the defaults", async () => {
      expect(await (await opened()).all()).toEqual(new Map());
    });

    test("what was put for a type is what comes back, types in order of their names", async () => {
      const types = await opened();
      await types.put("valve", { silenceMs: 3_600_000, flapEdges: 4 });
      await types.put("Pumpe größer", {});
      await types.put("pump", defaultPolicy);
      expect([...(await types.all())]).toEqual([
        ["Pumpe größer", {}],
        ["pump", defaultPolicy],
        ["valve", { silenceMs: 3_600_000, flapEdges: 4 }],
      ]);
    });

    test("putting a type again replaces all its numbers", async () => {
      const types = await opened();
      await types.put("valve", { silenceMs: 3_600_000, flapEdges: 4 });
      await types.put("valve", { graceMs: 1_000 });
      expect(await types.all()).toEqual(new Map([["valve", { graceMs: 1_000 }]]));
    });

    test("a removed type has the defaults again", async () => {
      const types = await opened();
      await types.put("valve", { graceMs: 1_000 });
      expect(await types.remove("valve")).toBe(true);
      expect(await types.remove("valve")).toBe(false);
      expect(await types.all()).toEqual(new Map());
    });

    test("changing what was given or got changes nothing that is stored", async () => {
      const types = await opened();
      const policy = { graceMs: 1_000 };
      await types.put("valve", policy);
      policy.graceMs = 2_000;
      Object.assign((await types.all()).get("valve")!, { graceMs: 3_000 });
      expect(await types.all()).toEqual(new Map([["valve", { graceMs: 1_000 }]]));
    });
  });
}
