import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type Doppel, embeddedOnly, eventually, startDoppel } from "../harness.ts";
import { closing, connectListening } from "./listening.ts";

let doppel: Doppel;
beforeAll(async () => {
  doppel = await startDoppel({ graceSeconds: 1 });
});
afterAll(() => doppel?.close());

const reading = JSON.stringify({ readings: { t: 1 } });

async function listed(query: string): Promise<string[]> {
  const { items } = await doppel.call("GET", `/v1/devices?${query}`);
  return items.map(({ id }: Answer) => id);
}

async function importing(contentType: string, body: string): Promise<Answer> {
  const response = await fetch(new URL("/v1/devices/import", doppel.httpUrl), {
    method: "POST",
    headers: { "content-type": contentType },
    body,
  });
  return { status: response.status, ...((await response.json()) as object) };
}

describe("where the registry is open", () => {
  test("a device is registered by its first contact, over MQTT or HTTP", async () => {
    await doppel.device("first-mqtt");
    await doppel.call("POST", "/v1/devices/first-http/telemetry", { readings: { t: 1 } });
    for (const id of ["first-mqtt", "first-http"])
      await eventually(async () =>
        expect(await doppel.call("GET", `/v1/devices/${id}`)).toMatchObject({
          id,
          type: "default",
          region: "",
          tags: {},
        }),
      );
    await eventually(async () => expect(await listed("search=FIRST-")).toEqual(["first-http", "first-mqtt"]));
  });
});

describe("where devices must be known", () => {
  let strict: Doppel;
  beforeAll(async () => {
    strict = await startDoppel({ graceSeconds: 1, registry: "known" });
  });
  afterAll(() => strict.close());

  test("an unknown one is refused by the API, and leaves no trace", async () => {
    await strict.call("POST", "/v1/devices/stranger/telemetry", { readings: { t: 1 } }, 404);
    await strict.call("PATCH", "/v1/devices/stranger/shadow", { state: { desired: { a: 1 } } }, 404);
    await strict.call("GET", "/v1/devices/stranger", undefined, 404);
  });

  test("a registered one is taken in, and what it says is heard", async () => {
    await strict.call("POST", "/v1/devices", { id: "welcome" }, 201);
    const device = await strict.device("welcome");
    await device.publishAsync("devices/welcome/telemetry", reading, { qos: 1 });
    await eventually(async () =>
      expect(await strict.call("GET", "/v1/devices/welcome")).toMatchObject({
        status: "online",
        latest: { t: { value: 1 } },
      }),
    );
  });

  test("an unknown one that the broker has let in is still nobody", async () => {
    const stranger = await strict.device("uninvited").catch(() => null);
    await stranger?.publishAsync("devices/uninvited/telemetry", reading, { qos: 1 }).catch(() => {});
    // By the same way as the stranger's word, and after it.
    await strict.call("POST", "/v1/devices", { id: "witness" }, 201);
    const witness = await strict.device("witness");
    await witness.publishAsync("devices/witness/telemetry", reading, { qos: 1 });
    await eventually(async () => expect((await strict.call("GET", "/v1/devices/witness")).latest.t.count).toBe(1));
    await strict.call("GET", "/v1/devices/uninvited", undefined, 404);
    expect((await strict.call("GET", "/v1/devices?search=uninvited")).total).toBe(0);
  });

  embeddedOnly("mosquitto, which stands in for EMQX, asks nobody who may connect", () => {
    test("an unknown one may not connect, a registered one may, until it is deleted", async () => {
      await expect(connectListening(strict.mqttUrl, "stranger")).rejects.toMatchObject({ code: 5 });
      await expect(connectListening(strict.mqttUrl, "stranger", { protocolVersion: 5 })).rejects.toMatchObject({
        code: 0x87,
      });
      await strict.call("POST", "/v1/devices", { id: "member" }, 201);
      const closed = closing(await connectListening(strict.mqttUrl, "member"));
      await strict.call("DELETE", "/v1/devices/member", undefined, 204);
      await closed;
      await expect(connectListening(strict.mqttUrl, "member")).rejects.toMatchObject({ code: 5 });
      await strict.call("GET", "/v1/devices/member", undefined, 404);
    });
  });
});

describe("a device", () => {
  test("is registered, read, changed and deleted by the API", async () => {
    const made = await doppel.call(
      "POST",
      "/v1/devices",
      {
        id: "crud-1",
        type: "pump",
        region: "eu-north",
        location: { name: "Hall 3", latitude: 52.5, longitude: 13.4 },
        tags: { line: "7", shift: "a" },
        firmwareVersion: "1.0.0",
      },
      201,
    );
    expect(made).toMatchObject({ id: "crud-1", type: "pump", status: "offline", since: null, lastSeen: null });
    await doppel.call("POST", "/v1/devices", { id: "crud-1" }, 409);
    const changed = await doppel.call("PATCH", "/v1/devices/crud-1", {
      region: "eu-south",
      tags: { line: null, hall: "3" },
      firmwareVersion: "1.1.0",
    });
    expect(changed).toMatchObject({ type: "pump", region: "eu-south", tags: { shift: "a", hall: "3" } });
    expect(changed.tags).not.toHaveProperty("line");
    for (const query of ["type=pump", "region=eu-south", "tag=hall:3", "search=crud"])
      await eventually(async () => expect(await listed(query)).toEqual(["crud-1"]));
    await doppel.call("DELETE", "/v1/devices/crud-1", undefined, 204);
    await doppel.call("DELETE", "/v1/devices/crud-1", undefined, 404);
    await doppel.call("PATCH", "/v1/devices/crud-1", { region: "x" }, 404);
    await eventually(async () => expect(await listed("type=pump")).toEqual([]));
  });

  test("keeps its registration over a restart, and when it connects", async () => {
    await doppel.call("POST", "/v1/devices", { id: "crud-2", type: "pump", region: "eu-north", tags: { line: "7" } });
    await doppel.restart();
    await doppel.device("crud-2");
    await eventually(async () =>
      expect(await doppel.call("GET", "/v1/devices/crud-2")).toMatchObject({
        type: "pump",
        region: "eu-north",
        tags: { line: "7" },
        status: "online",
      }),
    );
  });

  embeddedOnly("only EMQX can be told, by its API, to end a connection; mosquitto goes on with it", () => {
    test("that is deleted is disconnected, and its last will does not bring it back", async () => {
      const device = await connectListening(doppel.mqttUrl, "crud-3", {
        will: { topic: "devices/crud-3/status", payload: Buffer.from("offline"), qos: 1, retain: false },
      });
      await device.client.publishAsync("devices/crud-3/telemetry", reading, { qos: 1 });
      const closed = closing(device);
      await doppel.call("DELETE", "/v1/devices/crud-3", undefined, 204);
      await closed;
      await doppel.call("GET", "/v1/devices/crud-3", undefined, 404);
      await eventually(async () => {
        const { items } = await doppel.call("GET", "/v1/devices/crud-3/events?kinds=registered,deregistered");
        expect(items.map(({ kind }: Answer) => kind)).toEqual(["deregistered", "registered"]);
        expect(await listed("search=crud-3")).toEqual([]);
      });
    });
  });

  test("that comes again after it was deleted begins anew", async () => {
    const device = await doppel.device("crud-4");
    await device.publishAsync("devices/crud-4/telemetry", reading, { qos: 1 });
    await eventually(async () => expect((await doppel.call("GET", "/v1/devices/crud-4")).latest.t.count).toBe(1));
    await doppel.call("DELETE", "/v1/devices/crud-4", undefined, 204);
    await doppel.device("crud-4");
    await eventually(async () =>
      expect(await doppel.call("GET", "/v1/devices/crud-4")).toMatchObject({
        status: "online",
        latest: {},
        commands: [],
      }),
    );
  });

  test.each([
    ["an id with spaces", { id: "no spaces" }],
    ["a latitude beyond the pole", { id: "ok", location: { latitude: 91, longitude: 0 } }],
    ["a tag that is no text", { id: "ok", tags: { line: 7 } }],
    ["a field that is unknown", { id: "ok", colour: "red" }],
  ])("with %s is refused with a problem document", async (_, body) => {
    const problem = await doppel.call("POST", "/v1/devices", body, 400);
    expect(problem).toMatchObject({ type: "urn:doppel:problem:invalid-request", status: 400, instance: "/v1/devices" });
    expect(problem.errors).toHaveLength(1);
  });
});

describe("a bulk import", () => {
  test("takes CSV and says which lines it refused and why", async () => {
    const report = await importing(
      "text/csv",
      [
        "id,type,region,location,latitude,longitude,firmwareVersion,tag:line",
        "csv-1,meter,eu,Hall 1,52.5,13.4,1.0,7",
        'csv-2,meter,eu,"Hall 2, left",,,,',
        "not an id,meter,eu,,,,,",
        "csv-3,meter,eu,,95,13.4,,",
        "csv-4,meter",
        "csv-5,meter,us,,,,,9",
        "",
      ].join("\n"),
    );
    expect(report).toMatchObject({ status: 200, accepted: 3, refusedTotal: 3 });
    expect(report.refused.map(({ line }: Answer) => line)).toEqual([4, 5, 6]);
    for (const { reason } of report.refused) expect(reason).not.toBe("");
    await eventually(async () => expect(await listed("type=meter")).toEqual(["csv-1", "csv-2", "csv-5"]));
    expect(await doppel.call("GET", "/v1/devices/csv-2")).toMatchObject({
      location: { name: "Hall 2, left" },
      tags: {},
    });
    expect(await listed("tag=line:9")).toEqual(["csv-5"]);
    expect((await doppel.call("GET", "/v1/map")).devices).toContainEqual(["csv-1", 52.5, 13.4, "offline"]);
  });

  test("takes JSON lines and says which lines it refused and why", async () => {
    const report = await importing(
      "application/x-ndjson",
      [
        '{"id":"jsonl-1","type":"gauge","tags":{"line":"8"}}',
        '{"id":"jsonl-2",',
        '{"type":"gauge"}',
        '{"id":"jsonl-4","type":"gauge"}',
      ].join("\n"),
    );
    expect(report).toMatchObject({ status: 200, accepted: 2, refusedTotal: 2 });
    expect(report.refused.map(({ line }: Answer) => line)).toEqual([2, 3]);
    await eventually(async () => expect(await listed("type=gauge")).toEqual(["jsonl-1", "jsonl-4"]));
  });

  test("changes devices that are there, and can be done again", async () => {
    const lines = Array.from({ length: 1_000 }, (_, index) => `bulk-${index},bulk,eu`);
    const csv = ["id,type,region", ...lines].join("\n");
    expect(await importing("text/csv", csv)).toMatchObject({ accepted: 1_000, refusedTotal: 0 });
    expect(await importing("text/csv", csv.replaceAll(",eu", ",us"))).toMatchObject({ accepted: 1_000 });
    await eventually(async () =>
      expect((await doppel.call("GET", "/v1/devices?type=bulk&region=us&limit=1")).total).toBe(1_000),
    );
    const seen = new Set<string>();
    for (let cursor: string | null = ""; cursor !== null; ) {
      const page: Answer = await doppel.call(
        "GET",
        `/v1/devices?type=bulk&limit=300${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      for (const { id } of page.items) seen.add(id);
      cursor = page.next;
    }
    expect(seen.size).toBe(1_000);
  });

  test("of anything else is refused as a whole", async () => {
    expect(await importing("application/json", "[]")).toMatchObject({ status: 415 });
    expect(await importing("text/csv", "name,colour\nx,red")).toMatchObject({ status: 400 });
  });
});

describe("a device type", () => {
  test("judges its devices by new numbers at once, and by the default ones when it has none", async () => {
    await doppel.call("POST", "/v1/devices", { id: "typed", type: "tight" });
    const desire = (expect: number) =>
      eventually(() =>
        doppel.call("PATCH", "/v1/devices/typed/shadow", { state: { desired: { text: "x".repeat(100) } } }, expect),
      );
    const answer = await doppel.call("PUT", "/v1/device-types/tight", { shadowMaxBytes: 50 });
    expect(answer).toMatchObject({ type: "tight", numbers: { shadowMaxBytes: 50 }, policy: { shadowMaxBytes: 50 } });
    await desire(413);
    await doppel.call("PUT", "/v1/device-types/tight", { shadowMaxBytes: 500 });
    await desire(200);
    await doppel.call("PUT", "/v1/device-types/tight", { shadowMaxBytes: 50 });
    await desire(413);
    await doppel.call("DELETE", "/v1/device-types/tight", undefined, 204);
    await desire(200);
  });

  test("has its numbers after a restart", async () => {
    await doppel.call("PUT", "/v1/device-types/kept", { maxOpenCommands: 1 });
    await doppel.call("POST", "/v1/devices", { id: "kept-1", type: "kept" });
    await doppel.restart();
    await doppel.call("POST", "/v1/devices/kept-1/commands", { name: "one" }, 202);
    await doppel.call("POST", "/v1/devices/kept-1/commands", { name: "two" }, 409);
    expect((await doppel.call("GET", "/v1/device-types")).items).toContainEqual(
      expect.objectContaining({ type: "kept", numbers: { maxOpenCommands: 1 } }),
    );
  });

  test("says every problem with its numbers", async () => {
    const problem = await doppel.call("PUT", "/v1/device-types/wrong", { silenceMs: -1, patience: 3 }, 400);
    expect(problem.errors).toHaveLength(2);
  });

  test("shows the numbers that hold, the configured ones where it has none of its own", async () => {
    const { policy } = await doppel.call("GET", "/v1/device-types/default");
    expect(policy).toMatchObject({ graceMs: 1_000, silenceMs: 60_000 });
  });
});
