import type { TwinPolicy } from "../../core/device/policy.ts";

/**
 * What device types say of their devices: the policy's numbers that differ from the defaults.
 *
 * G1 `put` replaces the type's numbers as a whole; what `all` then gives equals what was put.
 */
export interface DeviceTypes {
  /** By type, in order of their names. A type without an entry has the defaults. */
  all(): Promise<Map<string, Partial<TwinPolicy>>>;
  /** The numbers must have come through `parsePolicy` (core/device/policy.ts). */
  put(type: string, policy: Partial<TwinPolicy>): Promise<void>;
  /** Back to the defaults; false if it had them. */
  remove(type: string): Promise<boolean>;
}
