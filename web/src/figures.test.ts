import { expect, test } from "vitest";
import { aMember } from "../testing/cluster-picture.ts";
import { figuresOf, formatFigure, isTrouble } from "./figures.ts";

const keys = (figures: { key: string }[]) => figures.map(({ key }) => key);
const host = {
  twins: 1,
  turns: 9,
  sidecar: true,
  deadlines: 1,
  pending: 0,
  outboxWaiting: 0,
  stale: 0,
  softState: "ok",
};

test("of a host that tells much, what matters shows first and the rest on demand", () => {
  const { shown, hidden } = figuresOf("actors", [aMember("actors-1", { status: host })]);
  expect(keys(shown)).toEqual(["twins", "sidecar", "deadlines", "outboxWaiting", "stale"]);
  expect(keys(hidden)).toEqual(["turns", "pending", "softState"]);
});

test("what is in trouble shows by itself", () => {
  const away = aMember("actors-2", { status: { ...host, softState: "timed out" } });
  expect(keys(figuresOf("actors", [aMember("actors-1", { status: host }), away]).shown)).toContain("softState");
});

test("keys that nobody knows yet are columns, named by their words", () => {
  const { shown, hidden } = figuresOf("gateways", [aMember("gateways-1", { status: { bytesIn: 5, tls: false } })]);
  expect(shown).toEqual([
    { key: "bytesIn", name: "Bytes in" },
    { key: "tls", name: "Tls" },
  ]);
  expect(hidden).toEqual([]);
  expect(isTrouble("tls", false)).toBe(false);
});

test("figures are said in words", () => {
  expect(formatFigure("sidecar", false)).toBe("away");
  expect(formatFigure("tls", true)).toBe("yes");
  expect(formatFigure("turns", 12_345)).toBe("12,345");
  expect(formatFigure("turns", undefined)).toBe("–");
  expect(formatFigure("softState", "timed out")).toBe("timed out");
});
