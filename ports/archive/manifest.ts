/** What lies beside the files: their list, for readers without our database, and whose they are. */
import type { ObjectStore } from "../object-store/port.ts";
import type { CatalogueFile } from "./catalogue.ts";
import { ownerKey } from "./layout.ts";
import { fileColumns, schemaVersion } from "./parquet-file.ts";
import { ArchiveTaken } from "./port.ts";

/** JSON, UTF-8: the archive's files and columns at a moment. */
export function manifestOf(archive: string, place: string, files: readonly CatalogueFile[], nowMs: number): Uint8Array {
  const manifest = {
    format: "doppel-archive",
    version: 1,
    archive,
    place,
    written_at: new Date(nowMs).toISOString(),
    schema_version: schemaVersion,
    columns: fileColumns.map(({ name, type }) => ({ name, type })),
    rows: files.reduce((sum, { rows }) => sum + rows, 0),
    files: files.map((file) => ({
      key: file.key,
      day: new Date(file.dayMs).toISOString().slice(0, 10),
      rows: file.rows,
      bytes: file.bytes,
      first_device: file.firstDevice,
      last_device: file.lastDevice,
      first_ts: new Date(file.firstTsMs).toISOString(),
      last_ts: new Date(file.lastTsMs).toISOString(),
      schema_version: file.schemaVersion,
    })),
  };
  return new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`);
}

/** Makes the place ours, or finds that it is. @throws ArchiveTaken */
export async function claimPlace(store: ObjectStore, archive: string, id: string): Promise<void> {
  const claim = new TextEncoder().encode(`${JSON.stringify({ archive, id })}\n`);
  if ((await store.put(ownerKey, claim)) === "stored") return;
  const owner = JSON.parse(new TextDecoder().decode(await store.get(ownerKey))) as { archive?: string; id?: string };
  if (owner.id === id) return;
  throw new ArchiveTaken(
    `${store.place} holds the archive of another database (${owner.archive} ${owner.id}, ours is ${id}). Choose another ` +
      `place or prefix; or, if that database is gone for good, move its files away.`,
  );
}
