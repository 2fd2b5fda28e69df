import { expect, test } from "vitest";
import { KeepAlive } from "./keep-alive.ts";

test("silence of one and a half keep-alive times is too long, a packet begins it anew", () => {
  const keepAlive = new KeepAlive(10, 0);
  expect(keepAlive.elapsed(1_000)).toBe(false);
  expect(keepAlive.elapsed(16_000)).toBe(false); // 15 s since the CONNECT was seen
  keepAlive.heard();
  expect(keepAlive.elapsed(17_000)).toBe(false);
  expect(keepAlive.elapsed(32_000)).toBe(false);
  expect(keepAlive.elapsed(32_001)).toBe(true);
});

test("a keep-alive of 0 never elapses", () => {
  const keepAlive = new KeepAlive(0, 0);
  keepAlive.elapsed(1);
  expect(keepAlive.elapsed(1e12)).toBe(false);
});
