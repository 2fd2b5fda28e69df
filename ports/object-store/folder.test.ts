import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { objectStoreContract } from "./contract.ts";
import { openFolderStore } from "./folder.ts";
import { StoreAway } from "./port.ts";

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "doppel-objects-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

objectStoreContract("folder", () => openFolderStore(folder()));

test("what a dead process has left unfinished is no object, and is gone after an hour", async () => {
  const root = folder();
  const unfinished = join(root, ".unfinished");
  mkdirSync(unfinished);
  for (const name of ["old", "new"]) writeFileSync(join(unfinished, name), "half");
  utimesSync(join(unfinished, "old"), 1_000, 1_000);
  const store = await openFolderStore(root);
  expect(readdirSync(unfinished)).toEqual(["new"]);
  for await (const object of store.list("")) expect(object).toBeUndefined();
});

/** A file system of one megabyte, where this process may mount one. */
function smallDisk(): string | null {
  const mounted = folder();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mounted], { stdio: "ignore" });
  } catch {
    return null;
  }
  onTestFinished(() => void execFileSync("umount", ["-l", mounted]));
  return mounted;
}

test("a full disk is told as such, leaves no half file, and the store works again when there is room", async (context) => {
  const root = smallDisk();
  if (root === null) {
    console.warn("SKIPPED: a full disk, because this process may not mount a small one.");
    return context.skip();
  }
  const store = await openFolderStore(root);
  await store.put("a/first", new Uint8Array(600_000));
  const failed = await store.put("a/second", new Uint8Array(600_000)).catch((error) => error);
  expect(failed).toBeInstanceOf(StoreAway);
  expect(failed.message).toContain("disk is full");
  expect(await store.size("a/second")).toBeNull();
  expect(readdirSync(join(root, ".unfinished"))).toEqual([]);
  await store.delete("a/first");
  expect(await store.put("a/second", new Uint8Array(600_000))).toBe("stored");
});

test("a folder that cannot be made is told with its path", async () => {
  const root = folder();
  writeFileSync(join(root, "file"), "");
  await expect(openFolderStore(join(root, "file", "below"))).rejects.toThrow(join(root, "file", "below"));
});
