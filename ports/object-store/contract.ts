import { describe, expect, onTestFinished, test } from "vitest";
import { ObjectMissing, type ObjectStore } from "./port.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (body: Uint8Array) => new TextDecoder().decode(body);

/** The promises of `ObjectStore` (port.ts) as tests. `open` gives an empty one. */
export function objectStoreContract(name: string, open: () => Promise<ObjectStore>): void {
  async function opened(): Promise<ObjectStore> {
    const store = await open();
    onTestFinished(() => store.close());
    return store;
  }

  async function keys(store: ObjectStore, prefix: string): Promise<string[]> {
    const found: string[] = [];
    for await (const { key } of store.list(prefix)) found.push(key);
    return found;
  }

  describe(`${name} as ObjectStore`, () => {
    test("what was put comes back, whole and in ranges", async () => {
      const store = await opened();
      expect(await store.put("telemetry/year=2026/p3-0-5000.parquet", bytes("0123456789"))).toBe("stored");
      const key = "telemetry/year=2026/p3-0-5000.parquet";
      expect(text(await store.get(key))).toBe("0123456789");
      expect(text(await store.getRange(key, 2, 5))).toBe("234");
      expect(text(await store.getRange(key, 8, 99))).toBe("89");
      expect(text(await store.getRange(key, 4, 4))).toBe("");
      expect(await store.size(key)).toBe(10);
    });

    test("of two writers of a key one wins, and the other hears of it", async () => {
      const store = await opened();
      const outcomes = await Promise.all([store.put("a/b", bytes("first")), store.put("a/b", bytes("other"))]);
      expect(outcomes.sort()).toEqual(["exists", "stored"]);
      const winner = text(await store.get("a/b"));
      expect(await store.put("a/b", bytes("third"))).toBe("exists");
      expect(text(await store.get("a/b"))).toBe(winner);
    });

    test("what is replaced is what was given last, and may be new", async () => {
      const store = await opened();
      await store.replace("manifest.json", bytes("one, and long"));
      await store.replace("manifest.json", bytes("two"));
      expect(text(await store.get("manifest.json"))).toBe("two");
    });

    test("a missing object is told as missing, and deleting it is no error", async () => {
      const store = await opened();
      await expect(store.get("a/none")).rejects.toThrow(ObjectMissing);
      await expect(store.getRange("a/none", 0, 4)).rejects.toThrow(ObjectMissing);
      expect(await store.size("a/none")).toBeNull();
      await store.delete("a/none");
      await store.put("a/some", bytes("x"));
      await store.delete("a/some");
      expect(await store.size("a/some")).toBeNull();
      expect(await store.put("a/some", bytes("y"))).toBe("stored");
    });

    test("a listing is in the order of the keys, below a prefix that may end within a name", async () => {
      const store = await opened();
      const all = ["a/b/c", "a/b.x", "a/b-1/d", "a/bc", "b/é", "b/z"];
      for (const key of all) await store.put(key, bytes(key));
      expect(await keys(store, "a/")).toEqual(["a/b-1/d", "a/b.x", "a/b/c", "a/bc"]);
      expect(await keys(store, "a/b/")).toEqual(["a/b/c"]);
      expect(await keys(store, "a/bc")).toEqual(["a/bc"]);
      expect(await keys(store, "b")).toEqual(["b/z", "b/é"]);
      expect(await keys(store, "none/")).toEqual([]);
    });

    test("an object may be empty, or of some megabytes", async () => {
      const store = await opened();
      await store.put("empty", new Uint8Array(0));
      expect((await store.get("empty")).length).toBe(0);
      const large = new Uint8Array(5_000_000).map((_, index) => index % 251);
      await store.put("large", large);
      expect(Buffer.compare(await store.get("large"), large)).toBe(0);
      expect([...(await store.getRange("large", 4_000_000, 4_000_003))]).toEqual([
        ...large.slice(4_000_000, 4_000_003),
      ]);
    });

    test("a key that would leave its place is refused", async () => {
      const store = await opened();
      await expect(async () => await store.put("../a", bytes("x"))).rejects.toThrow("no key");
      await expect(async () => await store.get("a//b")).rejects.toThrow("no key");
    });

    test("a lifecycle is set, or said to be unsupported", async () => {
      const store = await opened();
      const outcome = await store.setLifecycle("telemetry/", 400);
      if (outcome.kind === "unsupported") expect(outcome.detail).not.toBe("");
    });
  });
}
