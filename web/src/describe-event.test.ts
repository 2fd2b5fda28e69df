import { expect, test } from "vitest";
import { describeEvent, eventKey } from "./describe-event.ts";

const event = (fields: Record<string, unknown> & { kind: string }) =>
  describeEvent({ offset: 1, device: "pump-4", at: "2026-11-21T12:00:00Z", ...fields });

test("announced presence is told apart from a loss within grace", () => {
  expect(event({ kind: "presence", reason: "socket closed", status: "offline" })).toEqual({
    tone: "offline",
    title: "Offline",
    detail: "socket closed",
  });
  expect(event({ kind: "presence", edge: "connectionLost", reason: "socket closed" })).toMatchObject({
    tone: "quiet",
    title: "Connection lost",
  });
});

test("flapping is said beside the edge that began it", () => {
  expect(event({ kind: "presence", status: "online", flapping: "started" }).detail).toBe("now flapping");
});

test("a shadow update names its sections and keys", () => {
  expect(
    event({ kind: "shadowUpdated", shadow: "net", version: 8, desired: { apn: "x" }, reported: null }),
  ).toMatchObject({
    title: "Shadow “net” desired and reported",
    detail: "version 8 · apn",
  });
});

test("commands that ended badly and refused messages stand out", () => {
  expect(event({ kind: "commandMoved", to: "rejected", reason: "busy" })).toMatchObject({
    tone: "bad",
    detail: "busy",
  });
  expect(event({ kind: "deadLettered", reason: "malformed-json" })).toMatchObject({ detail: "malformed JSON" });
  expect(event({ kind: "deadLettered", reason: "quarantined" })).toMatchObject({ title: "Message in quarantine" });
});

test("a kind that is new to the dashboard is shown by its name", () => {
  expect(event({ kind: "firmwareInstalled" })).toMatchObject({ title: "Firmware installed" });
});

test("two events of one offset in different logs are two", () => {
  const shared = { offset: 7, device: "pump-4", at: "2026-11-21T12:00:00Z" };
  expect(eventKey({ ...shared, kind: "deadLettered" })).not.toBe(eventKey({ ...shared, kind: "presence" }));
});
