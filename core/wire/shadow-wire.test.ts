import { expect, test } from "vitest";
import { everyShadow, rejectedAnswer, type ShadowAnswer } from "../device/shadow.ts";
import { shadowErrors } from "../device/shadow-request.ts";
import { answerTopic, deltaTopic, documentsTopic, listeningShadow, parseShadowTopic } from "./shadow-wire.ts";

test.each([
  ["$aws/things/pump-4/shadow/get", { device: "pump-4", shadow: "", operation: "get" }],
  ["$aws/things/pump-4/shadow/update", { device: "pump-4", shadow: "", operation: "update" }],
  ["$aws/things/a:b_c/shadow/delete", { device: "a:b_c", shadow: "", operation: "delete" }],
  ["$aws/things/pump-4/shadow/name/cfg/get", { device: "pump-4", shadow: "cfg", operation: "get" }],
  ["$aws/things/pump-4/shadow/name/update/update", { device: "pump-4", shadow: "update", operation: "update" }],
  ["$aws/things/shadow/shadow/name/name/delete", { device: "shadow", shadow: "name", operation: "delete" }],
])("%s is a request", (topic, expected) => {
  expect(parseShadowTopic(topic)).toEqual(expected);
});

test.each([
  "$aws/things/pump-4/shadow",
  "$aws/things/pump-4/shadow/",
  "$aws/things/pump-4/shadow/list",
  "$aws/things/pump-4/shadow/get/accepted",
  "$aws/things/pump-4/shadow/update/delta",
  "$aws/things/pump-4/shadow/update/documents",
  "$aws/things/pump-4/shadow/name/cfg",
  "$aws/things/pump-4/shadow/name/cfg/update/accepted",
  "$aws/things/pump-4/shadow/name//get",
  "$aws/things/pump-4/shadow/name/a b/get",
  `$aws/things/pump-4/shadow/name/${"x".repeat(65)}/get`,
  `$aws/things/${"x".repeat(129)}/shadow/get`,
  "$aws/things//shadow/get",
  "$aws/things/pump-4/jobs/get",
  "aws/things/pump-4/shadow/get",
  "/$aws/things/pump-4/shadow/get",
  "devices/pump-4/telemetry",
  "",
])("%j is not a request", (topic) => {
  expect(parseShadowTopic(topic)).toBeNull();
});

test("answers go below the topic of the request", () => {
  const accepted: ShadowAnswer = { kind: "accepted", operation: "update", version: 1, body: {} };
  expect(answerTopic("pump-4", "", accepted)).toBe("$aws/things/pump-4/shadow/update/accepted");
  const rejected = rejectedAnswer("get", shadowErrors.invalidJson, 0);
  expect(answerTopic("pump-4", "cfg", rejected)).toBe("$aws/things/pump-4/shadow/name/cfg/get/rejected");
});

test("deltas and documents go below update", () => {
  expect(deltaTopic("pump-4", "")).toBe("$aws/things/pump-4/shadow/update/delta");
  expect(deltaTopic("pump-4", "cfg")).toBe("$aws/things/pump-4/shadow/name/cfg/update/delta");
  expect(documentsTopic("pump-4", "")).toBe("$aws/things/pump-4/shadow/update/documents");
  expect(documentsTopic("pump-4", "cfg")).toBe("$aws/things/pump-4/shadow/name/cfg/update/documents");
});

test.each<[string, string | null]>([
  ["$aws/things/pump-4/shadow/update/delta", ""],
  ["$aws/things/pump-4/shadow/update/+", ""],
  ["$aws/things/pump-4/shadow/+/delta", ""],
  ["$aws/things/pump-4/shadow/+/+", ""],
  ["$aws/things/pump-4/shadow/update/#", ""],
  ["$aws/things/pump-4/shadow/update/delta/#", ""],
  ["$aws/things/pump-4/shadow/name/cfg/update/delta", "cfg"],
  ["$aws/things/pump-4/shadow/name/cfg/#", "cfg"],
  ["$aws/things/pump-4/shadow/name/cfg/+/+", "cfg"],
  ["$aws/things/pump-4/shadow/+/cfg/update/delta", "cfg"],
  ["$aws/things/pump-4/shadow/name/+/update/delta", everyShadow],
  ["$aws/things/pump-4/shadow/name/#", everyShadow],
  ["$aws/things/pump-4/shadow/#", everyShadow],
  ["$aws/things/pump-4/#", everyShadow],
  ["$aws/things/+/shadow/update/delta", ""],
  ["$aws/#", everyShadow],
  ["#", null],
  ["+/things/pump-4/shadow/update/delta", null],
  ["$aws/things/pump-5/shadow/update/delta", null],
  ["$aws/things/pump-4/shadow/update/accepted", null],
  ["$aws/things/pump-4/shadow/update", null],
  ["$aws/things/pump-4/shadow/get/+", null],
  ["$aws/things/pump-4/shadow/name/cfg/update/documents", null],
  ["$aws/things/pump-4/shadow/name/cfg", null],
  ["$aws/things/pump-4/jobs/#", null],
  ["devices/pump-4/#", null],
])("a subscription to %s hears the deltas of %j", (filter, shadow) => {
  expect(listeningShadow(filter, "pump-4")).toBe(shadow);
});
