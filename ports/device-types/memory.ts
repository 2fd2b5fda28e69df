import type { TwinPolicy } from "../../core/device/policy.ts";
import type { DeviceTypes } from "./port.ts";

/** Policies of device types in memory, gone with the process. */
export function openMemoryDeviceTypes(): DeviceTypes {
  const types = new Map<string, Partial<TwinPolicy>>();
  return {
    async all() {
      const names = [...types.keys()].sort();
      return new Map(names.map((type) => [type, { ...types.get(type) }]));
    },
    async put(type, policy) {
      types.set(type, { ...policy });
    },
    async remove(type) {
      return types.delete(type);
    },
  };
}
