import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openObjectStore, PlaceUnreadable } from "./open.ts";

test("a place is a bucket, with or without a prefix, or a folder", async () => {
  expect((await openObjectStore("s3://fleet")).place).toBe("s3://fleet");
  expect((await openObjectStore("s3://fleet/")).place).toBe("s3://fleet");
  expect((await openObjectStore("s3://fleet/a/b/")).place).toBe("s3://fleet/a/b");
  const folder = mkdtempSync(join(tmpdir(), "doppel-place-"));
  expect((await openObjectStore(join(folder, "archive"))).place).toBe(join(folder, "archive"));
  rmSync(folder, { recursive: true });
});

test.each(["s3://", "s3://Fleet/a", "gs://fleet", "s3:///a"])(
  "%s is no place, and what is one is said",
  async (place) => {
    await expect(openObjectStore(place)).rejects.toThrow(PlaceUnreadable);
    await expect(openObjectStore(place)).rejects.toThrow("s3://bucket/prefix");
  },
);
