import type { ObjectStore } from "../object-store/port.ts";
import { telemetryPrefix } from "./layout.ts";

/** By so much the store's own rule is later than `expire`, so that it never deletes what is still listed. */
const laterDays = 30;

/**
 * Lets the store itself delete what has passed retention and nobody deleted, e.g. because the database was lost.
 * @param retentionDays null: takes the rule away. "unsupported": nothing is lost, `expire` and `compact` do the work
 */
export function setArchiveLifecycle(
  store: ObjectStore,
  retentionDays: number | null,
): ReturnType<ObjectStore["setLifecycle"]> {
  return store.setLifecycle(telemetryPrefix, retentionDays === null ? null : retentionDays + laterDays);
}
