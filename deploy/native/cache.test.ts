import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { cacheFolder, makeOnce } from "./cache.ts";

function place(): string {
  const root = mkdtempSync(join(tmpdir(), "doppel-cache-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return join(root, "deep", "thing");
}

describe("the cache", () => {
  test("lies where the environment says", () => {
    expect(cacheFolder({ DOPPEL_CACHE: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a");
    expect(cacheFolder({ XDG_CACHE_HOME: "/b" })).toBe("/b/doppel");
    expect(cacheFolder({})).toMatch(/\.cache\/doppel$/);
  });

  test("is filled once, however many want it at the same time", async () => {
    const folder = place();
    let made = 0;
    const make = async (into: string) => {
      made++;
      expect(existsSync(folder)).toBe(false);
      writeFileSync(join(into, "file"), "whole");
    };
    await Promise.all([makeOnce(folder, make), makeOnce(folder, make), makeOnce(folder, make)]);
    expect(made).toBe(1);
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("whole");
    expect(readdirSync(join(folder, ".."))).toEqual(["thing"]);
  });

  test("keeps nothing of an attempt that failed, and the next one succeeds", async () => {
    const folder = place();
    const failing = makeOnce(folder, async (into) => {
      writeFileSync(join(into, "half"), "");
      throw new Error("no network");
    });
    await expect(failing).rejects.toThrow("no network");
    expect(readdirSync(join(folder, ".."))).toEqual([]);
    await makeOnce(folder, async () => {});
    expect(readdirSync(folder)).toEqual([]);
  });

  test("takes over from a process that was killed", async () => {
    const folder = place();
    await makeOnce(`${folder}-other`, async () => {});
    writeFileSync(`${folder}.lock`, "4194305"); // above the largest process id of Linux
    await makeOnce(folder, async () => {});
    expect(existsSync(folder)).toBe(true);
  });
});
