import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

describe("devices", () => {
  test("a registered device can be read, changed, listed and deleted", async () => {
    const made = await api.json("POST", "/v1/devices", {
      id: "pump-4",
      type: "pump",
      region: "eu",
      tags: { line: "7" },
    });
    expect(made.status).toBe(201);
    expect(made.headers.get("location")).toBe("/v1/devices/pump-4");
    expect(made.body).toEqual({
      id: "pump-4",
      type: "pump",
      region: "eu",
      location: null,
      tags: { line: "7" },
      firmwareVersion: null,
      createdAt: "2026-11-21T12:00:00.000Z",
      status: "offline",
      since: null,
      lastSeen: null,
      connected: false,
      flapping: false,
    });

    const changed = await api.json("PATCH", "/v1/devices/pump-4", {
      location: { latitude: 52.5, longitude: 13.4 },
      tags: { line: null, hall: "3" },
    });
    expect(changed).toMatchObject({
      status: 200,
      body: { region: "eu", tags: { hall: "3" }, location: { latitude: 52.5 } },
    });

    await api.project();
    const listed = await api.json("GET", "/v1/devices?region=eu&tag=hall:3&search=PUMP&status=offline&flapping=false");
    expect(listed.body).toMatchObject({ total: 1, next: null, items: [{ id: "pump-4", type: "pump" }] });
    expect((await api.json("GET", "/v1/devices?tag=hall:4")).body.total).toBe(0);
    expect((await api.json("GET", "/v1/map")).body).toEqual({
      devices: [["pump-4", 52.5, 13.4, "offline"]],
      truncated: false,
    });

    expect((await api.request("DELETE", "/v1/devices/pump-4")).status).toBe(204);
    expect(api.disconnected).toEqual(["the device was deleted"]);
    expect((await api.json("GET", "/v1/devices/pump-4")).body).toMatchObject({
      type: "urn:doppel:problem:unknown-device",
      status: 404,
      instance: "/v1/devices/pump-4",
    });
    expect((await api.request("DELETE", "/v1/devices/pump-4")).status).toBe(404);
  });

  test("a device cannot be made twice", async () => {
    await api.request("POST", "/v1/devices", { id: "pump-4" });
    const again = await api.json("POST", "/v1/devices", { id: "pump-4" });
    expect(again).toMatchObject({ status: 409, body: { type: "urn:doppel:problem:conflict" } });
  });

  test("a device that nobody knows cannot be changed", async () => {
    expect((await api.json("PATCH", "/v1/devices/nobody", { region: "eu" })).status).toBe(404);
  });

  test("a page's cursor leads through all devices, each once", async () => {
    for (let n = 0; n < 25; n += 1) await api.request("POST", "/v1/devices", { id: `device-${n}` });
    await api.project();
    const seen: string[] = [];
    for (let path: string | null = "/v1/devices?limit=10"; path !== null; ) {
      const { body } = await api.json("GET", path);
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      path = body.next === null ? null : `/v1/devices?limit=10&cursor=${encodeURIComponent(body.next)}`;
    }
    expect(seen.sort()).toEqual(Array.from({ length: 25 }, (_, n) => `device-${n}`).sort());
  });

  test("a twin shows shadows, latest values and commands", async () => {
    await api.request("POST", "/v1/devices/pump-4/telemetry", [
      { ts: 1_795_262_300_000, readings: { temperature: 20 } },
      { ts: 1_795_262_301_000, readings: { temperature: 22, open: true } },
    ]);
    await api.request("PATCH", "/v1/devices/pump-4/shadow", {
      state: { desired: { mode: "eco" }, reported: { mode: "auto" } },
    });
    await api.request("PATCH", "/v1/devices/pump-4/shadow?name=net", { state: { reported: { wifi: "home" } } });
    await api.request("POST", "/v1/devices/pump-4/commands", { name: "reboot" });
    const { body } = await api.json("GET", "/v1/devices/pump-4");
    expect(body).toMatchObject({
      status: "online",
      lastSeen: "2026-11-21T12:00:00.000Z",
      latest: {
        temperature: { value: 22, ts: "2026-11-21T11:58:21.000Z", count: 2, mean: 21, min: 20, max: 22, stddev: 1 },
        open: { value: true, count: 0 },
      },
      shadows: {
        "": { version: 1, state: { desired: { mode: "eco" }, reported: { mode: "auto" }, delta: { mode: "eco" } } },
        net: { version: 1 },
      },
      commands: [{ name: "reboot", state: "queued", device: "pump-4" }],
    });
    expect(body.revision).toBeGreaterThan(0);
  });

  test.each([
    ["an id with a slash in it", { id: "a/b" }, "body/id"],
    ["a latitude beyond the pole", { id: "a", location: { latitude: 91 } }, "body/location/latitude"],
    ["a field that there is not", { id: "a", colour: "red" }, "body"],
    ["a tag that is no text", { id: "a", tags: { n: 7 } }, "body/tags/n"],
    ["NUL in a region", { id: "a", region: "e\0u" }, "body/region"],
    ["no id", {}, "body/id"],
    ["an array", [], "body"],
  ])("%s is refused with the place", async (_what, body, pointer) => {
    const refused = await api.json("POST", "/v1/devices", body);
    expect(refused).toMatchObject({ status: 400, body: { type: "urn:doppel:problem:invalid-request" } });
    expect(refused.body.errors[0].pointer).toBe(pointer);
  });
});
