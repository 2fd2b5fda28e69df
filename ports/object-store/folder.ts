/**
 * Objects as files in a folder.
 *
 * F1 A file appears under its name only when it is whole and on disk: it is written beside, synced, and linked.
 * F2 What a process that died has left of that is deleted by a later opener; nobody takes it for an object.
 */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { link, mkdir, open, readdir, readFile, rename, rm, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { checkKey, compareKeys } from "./key.ts";
import { ObjectMissing, type ObjectStore, StoreAway } from "./port.ts";

/** Of the same file system, and left out of listings: keys never begin with a point. */
const unfinishedFolder = ".unfinished";
/** What is older is nobody's work any more. */
const abandonedMs = 3_600_000;

/** @param folder is made when it is missing. @throws StoreAway when it cannot be */
export async function openFolderStore(folder: string, { now = Date.now } = {}): Promise<ObjectStore> {
  const root = resolve(folder);
  const unfinished = join(root, unfinishedFolder);
  await io(root, "be used", async () => {
    await mkdir(unfinished, { recursive: true });
    await cleanUp(unfinished, now() - abandonedMs);
  });
  const pathOf = (key: string) => join(root, checkKey(key));

  /** Writes aside, then `place`s what is whole. */
  async function store<T>(key: string, body: Uint8Array, place: (from: string, to: string) => Promise<T>): Promise<T> {
    const path = pathOf(key);
    return await io(root, `store ${key}`, async () => {
      const aside = join(unfinished, randomUUID());
      try {
        await writeSynced(aside, body);
        await makeFolders(root, dirname(path));
        const outcome = await place(aside, path);
        await syncFolder(dirname(path));
        return outcome;
      } finally {
        await rm(aside, { force: true }).catch(() => {}); // F2
      }
    });
  }

  return {
    place: root,
    put: (key, body) =>
      store(key, body, async (from, to) => {
        try {
          await link(from, to); // unlike a rename, refuses a name that is taken
          return "stored" as const;
        } catch (error) {
          if (codeOf(error) !== "EEXIST") throw error;
          return "exists" as const;
        }
      }),
    replace: (key, body) => store(key, body, rename),
    get: (key) => io(root, `read ${key}`, () => readFile(pathOf(key)), key),
    getRange: (key, start, end) => io(root, `read ${key}`, () => readRange(pathOf(key), start, end), key),
    size: (key) =>
      io(root, `read ${key}`, async () => {
        try {
          return (await stat(pathOf(key))).size;
        } catch (error) {
          if (isMissing(error)) return null;
          throw error;
        }
      }),
    delete: (key) =>
      io(root, `delete ${key}`, async () => {
        try {
          await unlink(pathOf(key));
          await syncFolder(dirname(pathOf(key)));
        } catch (error) {
          if (!isMissing(error)) throw error;
        }
      }),
    async *list(prefix) {
      // The prefix may end within a name.
      const start = prefix.slice(0, prefix.lastIndexOf("/") + 1);
      for await (const path of filesIn(root, start)) {
        if (!path.startsWith(prefix)) continue;
        const bytes = (await stat(join(root, path)).catch(() => null))?.size;
        if (bytes !== undefined) yield { key: path, bytes };
      }
    },
    setLifecycle: async () => ({
      kind: "unsupported",
      detail: `${root} is a folder, which deletes nothing by itself; Doppel's own retention does.`,
    }),
    async close() {},
  };
}

async function writeSynced(path: string, body: Uint8Array): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL);
  try {
    await file.writeFile(body);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readRange(path: string, start: number, end: number): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const buffer = new Uint8Array(Math.max(0, end - start));
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled);
      if (bytesRead === 0) break; // the file ends before
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  } finally {
    await file.close();
  }
}

/** A new folder is on disk when the one that holds it is. */
async function makeFolders(root: string, folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length > root.length && made.length >= first.length; made = dirname(made)) {
    await syncFolder(dirname(made));
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Keys below the folder `start` ("" or ending with a slash), in their order. */
async function* filesIn(root: string, start: string): AsyncGenerator<string> {
  let entries: { name: string; isDirectory(): boolean }[];
  try {
    entries = await readdir(join(root, start), { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return;
    throw away(root, "be listed", error);
  }
  const names = entries.filter(({ name }) => start !== "" || name !== unfinishedFolder);
  const parts = names.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort(compareKeys);
  for (const part of parts) {
    if (part.endsWith("/")) yield* filesIn(root, start + part);
    else yield start + part;
  }
}

async function cleanUp(unfinished: string, olderThanMs: number): Promise<void> {
  for (const name of await readdir(unfinished)) {
    const path = join(unfinished, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (mtimeMs < olderThanMs) await rm(path, { force: true });
  }
}

/** `key`: one that has to be there. */
async function io<T>(root: string, what: string, work: () => Promise<T>, key?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (key !== undefined && isMissing(error)) throw new ObjectMissing(root, key);
    if (codeOf(error) === undefined || error instanceof RangeError) throw error;
    throw away(root, what, error);
  }
}

function away(root: string, what: string, error: unknown): StoreAway {
  const code = codeOf(error);
  const advice: Record<string, string> = {
    ENOSPC: "The disk is full: make room.",
    EDQUOT: "The disk quota is used up: make room.",
    EACCES: "The folder's rights do not allow it: give them to the user that Doppel runs as.",
    EPERM: "The folder's rights do not allow it: give them to the user that Doppel runs as.",
    EROFS: "The file system is mounted read-only.",
  };
  const hint = advice[code ?? ""] ?? (error as Error).message;
  return new StoreAway(`The folder ${root} cannot ${what} (${code}). ${hint}`, { cause: error });
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
const isMissing = (error: unknown): boolean => codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR";
