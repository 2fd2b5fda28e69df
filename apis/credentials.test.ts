import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

describe("credentials", () => {
  test("a secret is shown once, works, and can be revoked", async () => {
    const made = await api.json("POST", "/v1/credentials", { kind: "device", subject: "pump-4" });
    expect(made).toMatchObject({ status: 201, body: { kind: "device", subject: "pump-4", revokedAt: null } });
    expect(made.headers.get("cache-control")).toBe("no-store");
    expect(await api.parts.credentials.verify("device", made.body.secret, "pump-4")).toBe("pump-4");
    const listed = await api.json("GET", "/v1/credentials?kind=device");
    expect(listed.body.items).toMatchObject([{ id: made.body.id }]);
    expect(JSON.stringify(listed.body)).not.toContain(made.body.secret);
    expect((await api.request("DELETE", `/v1/credentials/${made.body.id}`)).status).toBe(204);
    expect(api.disconnected).toEqual(["token revoked"]);
    expect(await api.parts.credentials.verify("device", made.body.secret, "pump-4")).toBeNull();
    expect((await api.request("DELETE", `/v1/credentials/${made.body.id}`)).status).toBe(404);
  });

  test("a device's credential needs a device id, an app's any name", async () => {
    expect((await api.json("POST", "/v1/credentials", { kind: "device", subject: "Grafana 1" })).status).toBe(400);
    expect((await api.json("POST", "/v1/credentials", { kind: "app", subject: "Grafana 1" })).status).toBe(201);
  });
});

describe("device types", () => {
  test("numbers are set as a whole, hold at once, and can be given back", async () => {
    const put = await api.json("PUT", "/v1/device-types/pump", { silenceMs: 300_000 });
    expect(put.body).toMatchObject({
      type: "pump",
      numbers: { silenceMs: 300_000 },
      policy: { silenceMs: 300_000, graceMs: 3_000 },
    });
    expect((await api.json("GET", "/v1/device-types/pump")).body).toEqual(put.body);
    expect((await api.json("GET", "/v1/device-types")).body.items).toMatchObject([
      { type: "default" },
      { type: "pump" },
    ]);
    expect((await api.request("DELETE", "/v1/device-types/pump")).status).toBe(204);
    expect((await api.request("DELETE", "/v1/device-types/pump")).status).toBe(404);
    expect((await api.json("GET", "/v1/device-types/pump")).body.numbers).toEqual({});
  });

  test.each([{ silenceMs: 0 }, { silenceMs: "5" }, { silence: 5 }, []])("%j are no numbers of a type", async (body) => {
    expect((await api.json("PUT", "/v1/device-types/pump", body)).status).toBe(400);
  });
});

describe("where credentials are required", () => {
  let locked: TestApi;
  let key: string;
  beforeEach(async () => {
    locked = await openTestApi({ config: { requireCredentials: true } });
    key = (await locked.parts.credentials.create("app", "Grafana")).secret;
  });
  afterEach(() => locked.close());

  test("a valid API key opens everything, from any host", async () => {
    const authorization = { authorization: `Bearer ${key}`, host: "doppel.example" };
    expect((await locked.request("GET", "/v1/stats", undefined, authorization)).status).toBe(200);
    expect((await locked.request("POST", "/v1/devices", { id: "a" }, authorization)).status).toBe(201);
  });

  test("without a valid key the refusal is always the same", async () => {
    const { secret: deviceToken } = await locked.parts.credentials.create("device", "pump-4");
    const revoked = await locked.parts.credentials.create("app", "old");
    await locked.parts.credentials.revoke(revoked.credential.id);
    const attempts = [
      undefined,
      "Bearer",
      "Bearer wrong",
      `Bearer ${deviceToken}`,
      `Bearer ${revoked.secret}`,
      `Basic ${key}`,
    ];
    for (const authorization of attempts) {
      const refused = await locked.json(
        "GET",
        "/v1/stats",
        undefined,
        authorization === undefined ? {} : { authorization },
      );
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="doppel"');
      expect(refused.body).toEqual({
        type: "urn:doppel:problem:unauthorized",
        title: "Unauthorized",
        status: 401,
        detail: "This needs a valid API key in the header Authorization: Bearer <key>.",
        instance: "/v1/stats",
      });
    }
  });

  test("a key in the query opens no HTTP path", async () => {
    expect((await locked.request("GET", `/v1/devices?key=${key}`)).status).toBe(401);
  });

  test.each(["/openapi.json", "/docs", "/health/services"])("%s needs no key", async (path) => {
    expect((await locked.request("GET", path)).status).toBe(200);
  });

  test.each(["/metrics", "/health/system", "/health/devices", "/things/a/shadow", "/api/devices", "/v1/nothing"])(
    "%s needs a key",
    async (path) => {
      expect((await locked.request("GET", path)).status).toBe(401);
    },
  );

  test("an AWS client is refused in AWS's form", async () => {
    const response = await locked.request("GET", "/things/a/shadow");
    expect(response.headers.get("x-amzn-errortype")).toBe("UnauthorizedException");
  });
});

describe("open on loopback", () => {
  test.each(["127.0.0.1:8080", "localhost:8080", "localhost", "[::1]:8080", "127.1.2.3"])(
    "the host %s is served",
    async (host) => {
      expect((await api.request("GET", "/v1/stats", undefined, { host })).status).toBe(200);
    },
  );

  test.each(["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", ""])(
    "the host %j is refused, as a name that was bound to loopback by its owner would be",
    async (host) => {
      const refused = await api.json("GET", "/v1/stats", undefined, { host });
      expect(refused).toMatchObject({ status: 403, body: { type: "urn:doppel:problem:host-not-allowed" } });
    },
  );

  test.each(["https://evil.example", "http://127.0.0.1:9999", "null", "http://127.0.0.1:8080.evil.example"])(
    "a page of %s can change nothing",
    async (origin) => {
      const headers = { host: "127.0.0.1:8080", origin };
      const refused = await api.json("POST", "/v1/devices", { id: "a" }, headers);
      expect(refused).toMatchObject({ status: 403, body: { type: "urn:doppel:problem:origin-not-allowed" } });
      expect((await api.request("DELETE", "/v1/devices/a", undefined, headers)).status).toBe(403);
      // A form can be sent without asking first: text/plain would get as far as the handler.
      const form = await api.request("POST", "/v1/devices/a/telemetry", '{"readings":{"t":1}}', {
        ...headers,
        "content-type": "text/plain",
      });
      expect(form.status).toBe(403);
    },
  );

  test("our own page, and one that is allowed, can change things", async () => {
    const own = { host: "localhost:8080", origin: "http://localhost:8080" };
    expect((await api.request("POST", "/v1/devices", { id: "a" }, own)).status).toBe(201);
    const allowing = await openTestApi({ config: { allowedOrigins: ["http://127.0.0.1:5173"] } });
    const dev = { host: "127.0.0.1:8080", origin: "http://127.0.0.1:5173" };
    expect((await allowing.request("POST", "/v1/devices", { id: "a" }, dev)).status).toBe(201);
    await allowing.close();
  });
});
