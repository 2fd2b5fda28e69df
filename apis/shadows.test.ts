import { afterEach, beforeEach, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const shadow = "/v1/devices/pump-4/shadow";
const desire = (desired: unknown, headers?: Record<string, string>) =>
  api.json("PATCH", shadow, { state: { desired } }, headers);

test("a shadow is made, merged, read with its delta and deleted", async () => {
  expect(await desire({ mode: "eco", limit: 5 })).toMatchObject({ status: 200, body: { version: 1 } });
  await api.json("PATCH", shadow, { state: { desired: { limit: null }, reported: { mode: "auto" } } });
  const read = await api.json("GET", shadow);
  expect(read.headers.get("etag")).toBe('"2"');
  expect(read.body).toMatchObject({
    version: 2,
    state: { desired: { mode: "eco" }, reported: { mode: "auto" }, delta: { mode: "eco" } },
  });
  expect((await api.request("GET", shadow, undefined, { "if-none-match": '"2"' })).status).toBe(304);
  expect((await api.json("GET", "/v1/devices/pump-4/shadows")).body).toEqual({ names: [""] });
  expect(await api.json("DELETE", shadow)).toMatchObject({ status: 200, body: { version: 2 } });
  expect(await api.json("GET", shadow)).toMatchObject({
    status: 404,
    body: { type: "urn:doppel:problem:unknown-shadow" },
  });
});

test("a write with If-Match is made only to that version", async () => {
  await desire({ a: 1 });
  expect((await desire({ a: 2 }, { "if-match": '"1"' })).status).toBe(200);
  const stale = await desire({ a: 3 }, { "if-match": '"1"' });
  expect(stale).toMatchObject({ status: 412, body: { type: "urn:doppel:problem:precondition-failed" } });
  expect((await api.json("DELETE", shadow, undefined, { "if-match": '"1"' })).status).toBe(412);
  expect((await api.json("GET", shadow)).body.state.desired).toEqual({ a: 2 });
});

test("a write with If-None-Match: * makes a shadow and never changes one", async () => {
  expect((await desire({ a: 1 }, { "if-none-match": "*" })).status).toBe(200);
  expect((await desire({ a: 2 }, { "if-none-match": "*" })).status).toBe(412);
});

test("a write with a version in its body is a conflict when another came first", async () => {
  await desire({ a: 1 });
  const body = (version: number) => ({ state: { desired: { a: 2 } }, version });
  expect((await api.json("PATCH", shadow, body(1))).status).toBe(200);
  expect(await api.json("PATCH", shadow, body(1))).toMatchObject({
    status: 409,
    body: { type: "urn:doppel:problem:version-conflict" },
  });
});

test.each(["seven", "*", '"1", "2"', '"0"'])("If-Match: %s is refused", async (tag) => {
  expect((await desire({ a: 1 }, { "if-match": tag })).status).toBe(400);
});

test("named shadows stand beside the classic one", async () => {
  await api.json("PATCH", `${shadow}?name=net`, { state: { reported: { wifi: "home" } } });
  await desire({ a: 1 });
  expect((await api.json("GET", "/v1/devices/pump-4/shadows")).body).toEqual({ names: ["", "net"] });
  expect((await api.json("GET", `${shadow}?name=net`)).body.state).toEqual({ reported: { wifi: "home" } });
  expect((await api.json("GET", `${shadow}?name=a%2Fb`)).status).toBe(400);
});

test.each([
  [{}, 400],
  [{ state: 5 }, 400],
  [{ state: { desired: { a: [null] } } }, 400],
  [{ state: { desired: { a: "x".repeat(9_000) } } }, 413],
])("an update that the rules refuse is a problem with their code (%#)", async (body, status) => {
  expect(await api.json("PATCH", shadow, body)).toMatchObject({ status, body: { status } });
});

test("a device that nobody knows has no shadow", async () => {
  expect(await api.json("GET", shadow)).toMatchObject({
    status: 404,
    body: { type: "urn:doppel:problem:unknown-device" },
  });
});
