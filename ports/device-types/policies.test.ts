import { expect, test } from "vitest";
import { defaultPolicy } from "../../core/device/policy.ts";
import { openMemoryDeviceTypes } from "./memory.ts";
import { openPolicies } from "./policies.ts";

test("a type without numbers of its own has the configured policy, and a change holds after the next look", async () => {
  const types = openMemoryDeviceTypes();
  const base = { ...defaultPolicy, silenceMs: 7_000 };
  const policies = await openPolicies(base, types);
  expect(policies.of("pump")).toEqual(base);
  await types.put("pump", { graceMs: 1 });
  expect(policies.of("pump")).toEqual(base);
  expect(await policies.reload()).toBe(true);
  expect(policies.of("pump")).toEqual({ ...base, graceMs: 1 });
  expect(await policies.reload()).toBe(false);
});
