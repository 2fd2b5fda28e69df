import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const problem = async (method: string, path: string, body?: unknown) => {
  const { status, body: told } = await api.json(method, path, body);
  return {
    status,
    detail: told?.detail as string,
    errors: (told?.errors ?? []).map((each: { detail: string }) => each.detail),
  };
};

describe("quality rules of a type", () => {
  const path = "/v1/device-types/pump/quality";

  test("are set as a whole over the defaults, and can be given back", async () => {
    const put = await api.json("PUT", path, {
      "temperature-range": { max: 1_200 },
      needed: { kind: "required", metrics: ["pressure"], action: "quarantine" },
    });
    expect(put.status).toBe(200);
    expect(put.body.rules).toEqual({
      "temperature-range": { kind: "range", metrics: ["temperature"], min: -50, max: 1_200, action: "flag" },
      needed: { kind: "required", metrics: ["pressure"], action: "quarantine" },
    });
    expect(Object.keys(put.body.effective)).toEqual(expect.arrayContaining(["humidity-range", "latitude", "needed"]));
    expect((await api.json("GET", path)).body).toEqual(put.body);
    expect((await api.request("DELETE", path)).status).toBe(204);
    expect((await api.request("DELETE", path)).status).toBe(404);
    expect((await api.json("GET", path)).body.rules).toEqual({});
  });

  test("of two who read the same rules, the second to change them is told", async () => {
    const rule = { kind: "required", metrics: ["pressure"], action: "flag" };
    const read = await api.json("GET", path);
    const tag = read.headers.get("etag") as string;
    expect(tag).toMatch(/^"[\w-]{22}"$/);
    const first = await api.json("PUT", path, { mine: rule }, { "if-match": tag });
    expect(first.status).toBe(200);
    const second = await api.json("PUT", path, { yours: rule }, { "if-match": tag });
    expect(second).toMatchObject({
      status: 412,
      body: { detail: expect.stringMatching(/^The rules of pump are not/) },
    });
    expect((await api.request("DELETE", path, undefined, { "if-match": tag })).status).toBe(412);
    const now = await api.json("GET", path);
    expect(now.body.rules).toEqual({ mine: rule });
    expect(now.headers.get("etag")).toBe(first.headers.get("etag"));
    const both = await api.json("PUT", path, { mine: rule, yours: rule }, { "if-match": now.headers.get("etag")! });
    expect(Object.keys(both.body.rules)).toEqual(["mine", "yours"]);
    expect((await api.request("DELETE", path, undefined, { "if-match": both.headers.get("etag")! })).status).toBe(204);
    expect((await api.json("PUT", path, {}, { "if-match": "mine" })).status).toBe(400);
    expect((await api.json("PUT", path, {}, { "if-match": '"a", *' })).status).toBe(200);
  });

  test("of two who change the same rules at the same moment, one does", async () => {
    const ifMatch = { "if-match": (await api.json("GET", path)).headers.get("etag") as string };
    const changes = [1, 2, 3, 4].map((max) =>
      api.request("PUT", path, { pressure: { kind: "range", metrics: ["pressure"], max } }, ifMatch),
    );
    const statuses = (await Promise.all(changes)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 412, 412, 412]);
  });

  test("leave the type's numbers as they are, and go with the type", async () => {
    await api.json("PUT", "/v1/device-types/pump", { silenceMs: 300_000 });
    await api.json("PUT", path, { latitude: { action: "off" } });
    expect((await api.json("GET", "/v1/device-types/pump")).body.numbers).toEqual({ silenceMs: 300_000 });
    expect((await api.request("DELETE", "/v1/device-types/pump")).status).toBe(204);
    expect((await api.json("GET", path)).body.rules).toEqual({});
  });

  test("are refused with every problem", async () => {
    expect(await problem("PUT", path, { a: { kind: "range", metrics: ["b"] }, b: { kind: "magic" } })).toMatchObject({
      status: 400,
      errors: ['Rule "a" needs min, max, or both.', expect.stringMatching(/^Rule "b" has the kind "magic"/)],
    });
    expect((await api.json("PUT", path, [])).status).toBe(400);
  });
});

describe("message schemas of a type", () => {
  const path = "/v1/device-types/pump/schemas";
  const schema = (pressure: object, more: object = {}) => ({
    type: "object",
    properties: { readings: { type: "object", properties: { pressure }, ...more } },
  });

  test("are kept by version; the same one again is no new version", async () => {
    expect((await api.json("GET", path)).body).toEqual({ items: [] });
    const first = schema({ type: "number", minimum: 0 });
    expect((await api.json("PUT", path, first)).body).toMatchObject({ type: "pump", version: 1, schema: first });
    expect((await api.json("PUT", path, first)).body.version).toBe(1);
    const second = schema({ type: "number" });
    expect((await api.json("PUT", path, second)).body).toMatchObject({ version: 2 });
    expect((await api.json("GET", path)).body.items).toMatchObject([{ version: 1 }, { version: 2 }]);
    expect((await api.json("GET", `${path}/1`)).body).toMatchObject({ version: 1, schema: first });
    expect((await api.json("GET", `${path}/newest`)).body).toMatchObject({ version: 2, schema: second });
    expect(await problem("GET", `${path}/3`)).toMatchObject({ status: 404, detail: /its versions are 1 to 2/ });
    expect((await api.json("GET", `${path}/last`)).status).toBe(400);
  });

  test("that refuse what the one before took need to be forced, and every difference is told", async () => {
    await api.json("PUT", path, schema({ type: "number", maximum: 10 }));
    const narrower = schema({ type: "number", maximum: 9 }, { required: ["pressure"] });
    expect(await problem("PUT", path, narrower)).toMatchObject({
      status: 409,
      detail: /^Messages that fit version 1 may not fit this schema: .* Change it, or add \?force=true\.$/,
      errors: expect.arrayContaining([
        "message/readings/pressure is required now",
        "message/readings/pressure: maximum is 9 now, it was 10",
      ]),
    });
    expect((await api.json("GET", path)).body.items).toHaveLength(1);
    expect((await api.json("PUT", `${path}?force=true`, narrower)).body).toMatchObject({ version: 2 });
    expect((await api.json("PUT", `${path}?force=perhaps`, narrower)).status).toBe(400);
  });

  test.each([{ type: "float" }, { $ref: "https://example.com/schema" }, { properties: { a: { pattern: "(a+)+" } } }])(
    "%j is none",
    async (body) => {
      expect((await api.json("PUT", path, body)).status).toBe(400);
      expect((await api.json("GET", path)).body.items).toEqual([]);
    },
  );
});

describe("telemetry of a device", () => {
  const send = async (readings: object) => (await api.json("POST", "/v1/devices/pump-4/telemetry", { readings })).body;
  const letters = async () => {
    await api.project();
    return (await api.json("GET", "/v1/dead-letters")).body.items;
  };
  beforeEach(async () => {
    await api.json("POST", "/v1/devices", { id: "pump-4", type: "pump", region: "eu" });
  });

  test("is judged by its type's rules from the moment that they are set", async () => {
    expect(await send({ pressure: 20 })).toMatchObject({ accepted: 1, refused: 0 });
    const rule = { kind: "range", metrics: ["pressure"], max: 16, action: "quarantine" };
    await api.json("PUT", "/v1/device-types/pump/quality", { "pressure-range": rule });
    expect(await send({ pressure: 21 })).toMatchObject({ accepted: 0, refused: 1 });
    expect(await letters()).toMatchObject([
      { reason: "quarantined", detail: "pressure is 21, above 16 (rule pressure-range)." },
    ]);
    await api.request("DELETE", "/v1/device-types/pump/quality");
    expect(await send({ pressure: 22 })).toMatchObject({ accepted: 1, refused: 0 });
  });

  test("is held to its type's newest schema", async () => {
    const schema = { properties: { readings: { required: ["pressure"] } } };
    await api.json("PUT", "/v1/device-types/pump/schemas", schema);
    expect(await send({ flow: 1 })).toMatchObject({ accepted: 0, refused: 1 });
    expect(await letters()).toMatchObject([
      { reason: "quarantined", detail: "readings must have required property 'pressure' (rule schema)." },
    ]);
    await api.json("PUT", "/v1/device-types/pump/schemas", {});
    expect(await send({ flow: 2 })).toMatchObject({ accepted: 1 });
  });
});

describe("retention of a type", () => {
  const path = "/v1/device-types/pump/retention";

  test("is set in days, and can be given back", async () => {
    expect((await api.json("GET", path)).body).toEqual({ type: "pump", days: null });
    expect((await api.json("PUT", path, { days: 7 })).body).toEqual({ type: "pump", days: 7 });
    expect(await api.parts.deviceTypes.retentionOf()).toEqual(new Map([["pump", 7]]));
    expect((await api.request("DELETE", path)).status).toBe(204);
    expect((await api.request("DELETE", path)).status).toBe(404);
    expect((await api.json("GET", path)).body.days).toBeNull();
  });

  test.each([{ days: 0 }, { days: 1.5 }, { days: "7" }, {}, { days: 7, hours: 1 }])("%j is none", async (body) => {
    expect((await api.json("PUT", path, body)).status).toBe(400);
  });
});
