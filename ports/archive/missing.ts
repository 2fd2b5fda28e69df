/** Files that the list has and the store does not: what a replay has to bring back. */
import type { Pool } from "pg";
import type { ObjectStore } from "../object-store/port.ts";
import { mapLimited } from "./map-limited.ts";
import type { Archive } from "./port.ts";

const parallel = 8;

/** Takes them off the list; gives their keys. @param name the archive's */
export async function forgetMissingFiles(
  pool: Pool,
  archive: Archive,
  store: ObjectStore,
  name = "archive",
): Promise<string[]> {
  const files = await archive.files({ fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY });
  const sizes = await mapLimited(files, parallel, ({ key }) => store.size(key));
  const missing = files.filter((_, index) => sizes[index] === null).map(({ key }) => key);
  if (missing.length > 0)
    await pool.query("delete from archive_files where archive = $1 and key = any($2)", [name, missing]);
  return missing;
}
