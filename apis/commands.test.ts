import { afterEach, beforeEach, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
  await api.request("POST", "/v1/devices", { id: "pump-4" });
});
afterEach(() => api.close());

const commands = "/v1/devices/pump-4/commands";

test("a command is sent, followed to its end and listed", async () => {
  const sent = await api.json("POST", commands, { name: "reboot", parameters: { delay: 5 }, expiresInSeconds: 60 });
  expect(sent).toMatchObject({
    status: 202,
    body: {
      id: "id-1",
      device: "pump-4",
      name: "reboot",
      parameters: { delay: 5 },
      state: "queued",
      createdAt: "2026-11-21T12:00:00.000Z",
      expiresAt: "2026-11-21T12:01:00.000Z",
      progress: null,
      result: null,
      reason: null,
    },
  });
  expect(sent.headers.get("location")).toBe(`${commands}/id-1`);
  await api.host.ask("pump-4", {
    kind: "commandAck",
    command: "id-1",
    topic: "devices/pump-4/commands/id-1/ack",
    payload: new TextEncoder().encode('{"status":"succeeded","result":{"ok":true}}'),
    session: null,
  });
  expect((await api.json("GET", `${commands}/id-1`)).body).toMatchObject({ state: "succeeded", result: { ok: true } });
  await api.project();
  expect((await api.json("GET", `${commands}?state=succeeded`)).body.items).toMatchObject([{ id: "id-1" }]);
  expect((await api.json("GET", `${commands}?state=queued`)).body.items).toEqual([]);
  expect((await api.json("POST", `${commands}/id-1/cancel`)).status).toBe(409);
});

test("an open command can be cancelled, with a reason", async () => {
  await api.request("POST", commands, { name: "reboot" });
  const cancelled = await api.json("POST", `${commands}/id-1/cancel`, { reason: "mistake" });
  expect(cancelled).toMatchObject({ status: 200, body: { state: "cancelled", reason: "mistake" } });
  await api.request("POST", commands, { name: "reboot" });
  expect((await api.json("POST", `${commands}/id-2/cancel`)).body.state).toBe("cancelled");
});

test("the same command sent again under its id is one command", async () => {
  const body = { id: "mine", name: "reboot" };
  expect((await api.json("POST", commands, body)).status).toBe(202);
  expect((await api.json("POST", commands, body)).status).toBe(202);
  expect((await api.json("POST", commands, { ...body, name: "other" })).status).toBe(409);
  await api.project();
  expect((await api.json("GET", commands)).body.items).toHaveLength(1);
});

test("what is not there is said to be what is not there", async () => {
  expect((await api.json("GET", `${commands}/nothing`)).body.type).toBe("urn:doppel:problem:unknown-command");
  expect((await api.json("POST", `${commands}/nothing/cancel`)).body.type).toBe("urn:doppel:problem:unknown-command");
  expect((await api.json("POST", "/v1/devices/nobody/commands", { name: "reboot" })).body.type).toBe(
    "urn:doppel:problem:unknown-device",
  );
});

test.each([{}, { name: "" }, { name: "a", expiresInSeconds: -1 }, { name: "a", unknown: 1 }, { name: "a", id: "a/b" }])(
  "%j is no command",
  async (body) => {
    expect((await api.json("POST", commands, body)).status).toBe(400);
  },
);
