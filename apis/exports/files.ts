/**
 * Writes an export's files: at most so many rows each, so that none is too large to be held once. Names tell the run and the
 * attempt: a run that is done again after a crash writes files of its own, and only those of the attempt that ended count.
 */
import type { ExportClaim, ExportedFile } from "../../ports/exports/port.ts";
import type { ObjectStore } from "../../ports/object-store/port.ts";
import { encoded, type TableFormat } from "../history/formats/format.ts";
import type { TableKind } from "../history/formats/table.ts";
import type { HistoryBatch } from "../history/query.ts";

const rowsPerFile = 500_000;

export function folderOf(id: string): string {
  return `exports/${id}/`;
}

/** "20261121T060000Z-2-": the time that a run is meant for, and its attempt. */
function stem({ job, run }: ExportClaim): string {
  const time = new Date(run.forMs).toISOString().replace(/[-:]|\.\d+/g, "");
  return `${folderOf(job.id)}${time}-${run.attempt}-`;
}

/** @throws StoreAway, and whatever the batches throw */
export async function writeFiles(
  store: ObjectStore,
  claim: ExportClaim,
  batches: AsyncIterable<HistoryBatch>,
  { format, table, maxRows = rowsPerFile }: { format: TableFormat; table: TableKind; maxRows?: number },
): Promise<ExportedFile[]> {
  const files: ExportedFile[] = [];
  for await (const part of partsOf(batches, maxRows)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of encoded(format, part.batches, table)) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const key = `${stem(claim)}${String(files.length + 1).padStart(5, "0")}.${format}`;
    await store.put(key, body);
    files.push({ key, rows: part.rows(), bytes: body.length });
  }
  return files;
}

/** What earlier attempts of the run have left, which nobody counts. */
export async function deleteLeftovers(store: ObjectStore, claim: ExportClaim): Promise<void> {
  const own = stem(claim);
  const ofRun = own.replace(/\d+-$/, "");
  for await (const { key } of store.list(ofRun)) if (!key.startsWith(own)) await store.delete(key);
}

export async function deleteFiles(store: ObjectStore, id: string): Promise<void> {
  for await (const { key } of store.list(folderOf(id))) await store.delete(key);
}

function rowsOf(batch: HistoryBatch): number {
  return batch.kind === "raw" ? batch.readings.length : batch.buckets.length;
}

/** The batches as parts of at most `maxRows` rows; one without rows where there are none at all. Read one after the other. */
async function* partsOf(batches: AsyncIterable<HistoryBatch>, maxRows: number) {
  const source = batches[Symbol.asyncIterator]();
  let next = await source.next();
  const part = () => {
    let rows = 0;
    const own = async function* (): AsyncGenerator<HistoryBatch> {
      while (next.done !== true && (rows === 0 || rows + rowsOf(next.value) <= maxRows)) {
        rows += rowsOf(next.value);
        yield next.value;
        next = await source.next();
      }
    };
    return { batches: own(), rows: () => rows };
  };
  try {
    do yield part();
    while (next.done !== true);
  } finally {
    await source.return?.();
  }
}
