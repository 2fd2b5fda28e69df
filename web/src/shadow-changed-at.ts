import { isJsonObject, type Json } from "../../core/json.ts";

/** When any leaf of a shadow was last written, ISO 8601, from its metadata (epoch seconds at each leaf); null if it has none. */
export function shadowChangedAt(metadata: Json | undefined): string | null {
  const newest = newestSeconds(metadata);
  return newest === 0 ? null : new Date(newest * 1000).toISOString();
}

function newestSeconds(metadata: Json | undefined): number {
  if (Array.isArray(metadata)) return Math.max(0, ...metadata.map(newestSeconds));
  if (!isJsonObject(metadata)) return 0;
  const { timestamp } = metadata;
  if (typeof timestamp === "number") return timestamp;
  return Math.max(0, ...Object.values(metadata as Record<string, Json>).map(newestSeconds));
}
