import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { drawingPath, drawMachines } from "./draw-machines.ts";

test("docs/state-machines.md shows the machines as they are", () => {
  expect(readFileSync(drawingPath, "utf8"), "Run: node scripts/draw-machines.ts").toBe(drawMachines());
});

test("every state is drawn", () => {
  const drawn = drawMachines();
  for (const state of [
    "offline",
    "online",
    "suspect",
    "steady",
    "flapping",
    "queued",
    "sent",
    "acknowledged",
    "rejected",
  ])
    expect(drawn).toMatch(new RegExp(`--> ${state}\\b`));
});
