import { expect, test } from "vitest";
import { openMemoryArchive } from "../ports/archive/memory.ts";
import { StoreAway } from "../ports/object-store/port.ts";
import { archiveThrough, Breaker, CircuitOpen, withBreaker } from "./breaker.ts";
import type { SinkTarget } from "./target.ts";

const away = () => Promise.reject(Object.assign(new Error("gone"), { code: "ECONNRESET" }));
const fine = async () => "fine";

function broken() {
  let nowMs = 0;
  const breaker = new Breaker({ failures: 2, firstMs: 1_000, maxMs: 3_000, now: () => nowMs });
  const after = (ms: number) => {
    nowMs += ms;
  };
  return { breaker, after };
}

test("a storage that is away a few times is left alone for a while, and then tried by one", async () => {
  const { breaker, after } = broken();
  await expect(breaker.run(away)).rejects.toThrow("gone");
  expect(breaker.state).toBe("closed");
  await expect(breaker.run(away)).rejects.toThrow("gone");
  expect(breaker.state).toBe("open");
  await expect(breaker.run(fine)).rejects.toBeInstanceOf(CircuitOpen);
  after(1_000);
  expect(breaker.state).toBe("half-open");
  const goOn = Promise.withResolvers<string>();
  const trial = breaker.run(() => goOn.promise);
  await expect(breaker.run(fine)).rejects.toBeInstanceOf(CircuitOpen);
  expect(breaker.state).toBe("half-open");
  goOn.resolve("back");
  expect(await trial).toBe("back");
  expect(breaker.state).toBe("closed");
  expect(await breaker.run(fine)).toBe("fine");
});

test("each trial that fails makes the next one come later, up to the longest pause", async () => {
  const { breaker, after } = broken();
  await expect(breaker.run(away)).rejects.toThrow("gone");
  await expect(breaker.run(away)).rejects.toThrow("gone");
  for (const pauseMs of [1_000, 2_000, 3_000, 3_000]) {
    after(pauseMs - 1);
    expect(breaker.state).toBe("open");
    after(1);
    await expect(breaker.run(away)).rejects.toThrow("gone");
  }
});

test("an answer of any kind says that the storage is there", async () => {
  const { breaker } = broken();
  await expect(breaker.run(away)).rejects.toThrow("gone");
  await expect(breaker.run(() => Promise.reject(new Error("refused")))).rejects.toThrow("refused");
  await expect(breaker.run(away)).rejects.toThrow("gone");
  expect(breaker.state).toBe("closed");
});

test("several that fail at the same time open it once", async () => {
  const { breaker, after } = broken();
  const failing = [1, 2, 3, 4].map(() => breaker.run(away));
  await Promise.allSettled(failing);
  after(1_000);
  expect(await breaker.run(fine)).toBe("fine");
});

test("a sink's commits go through it, and its state can be seen", async () => {
  const { breaker } = broken();
  const target: SinkTarget = {
    ...{ name: "timeseries", topics: [], weigh: () => 1 },
    ...{ progress: away, progressIn: away, commit: away },
  };
  const sink = withBreaker(target, breaker);
  await expect(sink.progress()).rejects.toThrow("gone");
  await expect(sink.commit([], { from: 0, to: 0 })).rejects.toThrow("gone");
  expect(sink.breaker?.()).toBe("open");
  await expect(sink.progressIn("iot-telemetry/1")).rejects.toBeInstanceOf(CircuitOpen);
});

test("of an archive only its files count: that its list answers says nothing of their place", async () => {
  const { breaker, after } = broken();
  const memory = openMemoryArchive();
  let full = true;
  const disk: typeof memory = {
    ...memory,
    async write(rows, progress) {
      if (full && rows.length > 0) throw new StoreAway("The disk is full.");
      return memory.write(rows, progress);
    },
  };
  const archive = archiveThrough(disk, breaker);
  const row = { device: "pump-4", metric: "temperature", tsMs: 0, value: 1, tags: null, receivedAtMs: 0, offset: 1 };
  const rows = [{ ...row, flags: null, type: "default", region: "" }];
  await expect(archive.write(rows, { from: 0, to: 2 })).rejects.toThrow("full");
  expect(await archive.progressIn("")).toBe(0);
  await expect(archive.write(rows, { from: 0, to: 2 })).rejects.toThrow("full");
  expect(breaker.state).toBe("open");
  await expect(archive.write(rows, { from: 0, to: 2 })).rejects.toBeInstanceOf(CircuitOpen);
  await archive.write([], { from: 0, to: 1 });
  expect(breaker.state).toBe("open");
  after(1_000);
  full = false;
  await archive.write(rows, { from: 1, to: 2 });
  expect(breaker.state).toBe("closed");
});
