import { expect, test } from "vitest";
import { defaultPolicy } from "../../core/device/policy.ts";
import { defaultRules } from "../../core/quality/compiled-rules.ts";
import { openMemoryDeviceTypes } from "./memory.ts";
import { openPolicies } from "./policies.ts";

test("a type without numbers of its own has the configured policy, and a change holds after the next look", async () => {
  const types = openMemoryDeviceTypes();
  const base = { ...defaultPolicy, silenceMs: 7_000 };
  const policies = await openPolicies(base, types);
  expect(policies.of("pump")).toEqual(base);
  await types.put("pump", { policy: { graceMs: 1 } });
  expect(policies.of("pump")).toEqual(base);
  expect(await policies.reload()).toBe(true);
  expect(policies.of("pump")).toEqual({ ...base, graceMs: 1 });
  expect(await policies.reload()).toBe(false);
});

test("types are read again only when their revision has moved, or reading them failed", async () => {
  const types = openMemoryDeviceTypes();
  let [reads, away] = [0, false];
  const counted = {
    ...types,
    async all() {
      reads += 1;
      if (away) throw new Error("away");
      return types.all();
    },
  };
  const policies = await openPolicies(defaultPolicy, counted);
  expect([await policies.reload(), await policies.reload(), reads]).toEqual([false, false, 1]);
  await types.put("pump", { policy: { graceMs: 1 } });
  away = true;
  await expect(policies.reload()).rejects.toThrow("away");
  away = false;
  expect([await policies.reload(), await policies.reload(), reads]).toEqual([true, false, 3]);
  expect(policies.of("pump").graceMs).toBe(1);
});

test("a look that is slow does not bring back what a later one has seen replaced", async () => {
  const types = openMemoryDeviceTypes();
  const slow = Promise.withResolvers<void>();
  let isSlow = false;
  const policies = await openPolicies(defaultPolicy, {
    ...types,
    async all() {
      const seen = await types.all();
      if (isSlow) await slow.promise;
      return seen;
    },
  });
  await types.put("pump", { policy: { graceMs: 1 } });
  isSlow = true;
  const first = policies.reload();
  await new Promise(setImmediate);
  isSlow = false;
  await types.put("pump", { policy: { graceMs: 2 } });
  const second = policies.reload();
  slow.resolve();
  expect(await Promise.all([first, second])).toEqual([true, true]);
  expect(policies.of("pump").graceMs).toBe(2);
});

test("rules and schemas are made ready once, when they change, and are gone with their type", async () => {
  const types = openMemoryDeviceTypes();
  const policies = await openPolicies(defaultPolicy, types);
  expect(policies.rulesOf("pump")).toBe(defaultRules);
  await types.put("pump", { quality: { dry: { kind: "range", metrics: ["flow"], min: 1, action: "flag" } } });
  await policies.reload();
  const rules = policies.rulesOf("pump");
  expect([...rules.byMetric.keys()]).toContain("flow");
  expect(rules.schema).toBeNull();
  await policies.reload();
  expect(policies.rulesOf("pump")).toBe(rules);
  await types.addSchema("pump", { required: ["readings"] }, { replacing: 0, nowMs: 1 });
  expect(await policies.reload()).toBe(true);
  expect(policies.rulesOf("pump").schema?.({})).toHaveLength(1);
  expect(policies.rulesOf("pump").schema?.({ readings: {} })).toBeNull();
  await types.remove("pump");
  expect(await policies.reload()).toBe(true);
  expect(policies.rulesOf("pump")).toBe(defaultRules);
});

test("a stored schema that cannot be read is told, and the type's rules hold without it", async () => {
  const types = openMemoryDeviceTypes();
  await types.addSchema("pump", { type: "of tomorrow" }, { replacing: 0, nowMs: 1 });
  const told: string[] = [];
  const policies = await openPolicies(defaultPolicy, types, (message) => told.push(message));
  expect(told).toEqual([expect.stringMatching(/^The message schema of device type pump cannot be read/)]);
  expect(policies.rulesOf("pump").schema).toBeNull();
  expect(policies.rulesOf("pump").byMetric.has("temperature")).toBe(true);
});
