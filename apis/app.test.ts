import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BadCursor } from "../ports/fleet-index/port.ts";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

describe("every request", () => {
  test("a path that there is not is a problem document", async () => {
    const response = await api.request("GET", "/v1/nothing");
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toEqual({
      type: "urn:doppel:problem:not-found",
      title: "Not found",
      status: 404,
      detail: "There is nothing at /v1/nothing. See /docs for what there is.",
      instance: "/v1/nothing",
    });
  });

  test("a method that a path has not is refused with those that it has", async () => {
    const refused = await api.json("PUT", "/v1/devices/pump-4");
    expect(refused).toMatchObject({ status: 405, body: { type: "urn:doppel:problem:method-not-allowed" } });
    expect(refused.headers.get("allow")).toBe("HEAD, GET, PATCH, DELETE, OPTIONS");
  });

  test("OPTIONS tells the methods, and lets no other origin in", async () => {
    const response = await api.request("OPTIONS", "/v1/devices");
    expect(response.status).toBe(204);
    expect(response.headers.get("allow")).toBe("HEAD, GET, POST, OPTIONS");
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("HEAD answers like GET without the body", async () => {
    const response = await api.request("HEAD", "/v1/stats");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });

  test.each([
    ['{"id": "a",}', 'unexpected "}" at line 1, column 12'],
    ['{\n  "id": "a"\n  "type": "b"\n}', 'unexpected "\\"" at line 3, column 3'],
    ['{"id": "a"', "unexpected the end at line 1, column 11"],
    ["[1, 2] 3", 'unexpected "3" at line 1, column 8'],
    ["{'id': 1}", `unexpected "'" at line 1, column 2`],
    ["nul", 'unexpected "n" at line 1, column 1'],
  ])("a body that is not JSON is refused with the place: %s", async (body, place) => {
    const refused = await api.json("POST", "/v1/devices", body);
    expect(refused).toMatchObject({ status: 400, body: { type: "urn:doppel:problem:malformed-json" } });
    expect(refused.body.detail).toContain(place);
  });

  test("a body that is missing is refused where one is needed, and only there", async () => {
    const type = { "content-type": "application/json" };
    expect(await api.json("POST", "/v1/devices", "", type)).toMatchObject({
      status: 400,
      body: { type: "urn:doppel:problem:malformed-json", detail: "The body is empty. Send a JSON document." },
    });
    expect((await api.json("GET", "/v1/stats", undefined, type)).status).toBe(200);
    await api.request("POST", "/v1/devices/a/telemetry", { readings: { t: 1 } });
    await api.request("POST", "/v1/devices/a/commands", { id: "c", name: "reboot" });
    expect((await api.json("POST", "/v1/devices/a/commands/c/cancel", "", type)).body.state).toBe("cancelled");
  });

  test("a body that is not UTF-8 is refused", async () => {
    const refused = await api.json("POST", "/v1/devices", new Uint8Array([0x22, 0xff, 0x22]));
    expect(refused).toMatchObject({ status: 400, body: { detail: expect.stringContaining("UTF-8") } });
  });

  test("a body that is nested without end is refused before anyone walks it", async () => {
    for (const path of [
      "/v1/devices/a/commands",
      "/v1/devices/a/telemetry",
      "/topics/devices%2Fa%2Fcommands%2Fc%2Fack",
    ]) {
      const refused = await api.json(
        "POST",
        path,
        `{"name":"x","parameters":${"[".repeat(200_000)}${"]".repeat(200_000)}}`,
      );
      expect(refused.status).toBe(400);
    }
  });

  test("a query parameter that there is not is refused with those that there are", async () => {
    const refused = await api.json("GET", "/v1/devices?colour=red");
    expect(refused.status).toBe(400);
    expect(refused.body.detail).toBe(
      'query: Unknown query parameter "colour"; it takes status, flapping, region, type, tag, search, cursor, limit.',
    );
    expect((await api.json("GET", "/v1/stats?x=1")).body.detail).toContain("it takes none");
  });

  test.each(["0", "1001", "-1", "1.5", "ten", ""])("a limit of %j is refused", async (limit) => {
    const refused = await api.json("GET", `/v1/devices?limit=${limit}`);
    expect(refused).toMatchObject({ status: 400, body: { errors: [{ pointer: "query/limit" }] } });
  });

  test("a parameter that is there twice is refused", async () => {
    expect((await api.json("GET", "/v1/devices?limit=1&limit=2")).status).toBe(400);
  });

  test("a cursor that is not ours is refused", async () => {
    const refused = await api.json("GET", "/v1/devices?cursor=%2F%2F%2F");
    expect(refused).toMatchObject({ status: 400, body: { type: "urn:doppel:problem:bad-cursor" } });
    expect(new BadCursor("x").code).toBe("BAD_CURSOR");
  });

  test("a body of another type is refused", async () => {
    const refused = await api.json("POST", "/v1/devices", "id=a", { "content-type": "text/plain" });
    expect(refused).toMatchObject({ status: 415, body: { type: "urn:doppel:problem:unsupported-media-type" } });
  });

  test("a body over the limit is refused", async () => {
    const refused = await api.json("POST", "/v1/devices", { id: "a", region: "x".repeat(1_100_000) });
    expect(refused).toMatchObject({ status: 413, body: { type: "urn:doppel:problem:too-large" } });
  });

  test("nothing is cached or sniffed", async () => {
    const { headers } = await api.request("GET", "/v1/stats");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  });
});

describe("faults", () => {
  test("what we did not foresee is logged and told to nobody", async () => {
    const broken = await openTestApi();
    broken.parts.fleet.devices = () => Promise.reject(new Error("password=hunter2"));
    const answer = await broken.json("GET", "/v1/devices");
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain("hunter2");
    expect(broken.errors).toHaveLength(1);
    await broken.close();
  });

  test("a database that is away is told as that, and asked again later", async () => {
    const waiting = await openTestApi();
    waiting.parts.fleet.devices = () => Promise.reject(new Error("Connection terminated unexpectedly"));
    const answer = await waiting.request("GET", "/v1/devices");
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
    await waiting.close();
  });

  test("an answer that takes too long is given up", async () => {
    const slow = await openTestApi({ config: { requestTimeoutMs: 20 } });
    slow.parts.fleet.devices = () => new Promise(() => {});
    expect(await slow.json("GET", "/v1/devices")).toMatchObject({ status: 503, body: { status: 503 } });
    await slow.close();
  });
});

describe("operation", () => {
  test("metrics are Prometheus text", async () => {
    const response = await api.request("GET", "/metrics");
    expect(await response.text()).toBe("doppel_up 1\n");
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  });

  test("health tells which part fails, and not why", async () => {
    expect(await api.json("GET", "/health/services")).toMatchObject({ status: 200, body: { status: "ok" } });
    const probes = [{ name: "postgres", check: () => Promise.reject(new Error("10.0.0.7 refused")) }];
    const failing = await openTestApi({ parts: { probes } });
    expect(await failing.json("GET", "/health/services")).toMatchObject({
      status: 503,
      body: { status: "failing", services: { postgres: { ok: false, detail: "failed; the log says why" } } },
    });
    await failing.close();
    expect((await api.json("GET", "/health/devices")).body).toMatchObject({ total: 0, status: "ok" });
    expect((await api.json("GET", "/health/system")).body).toMatchObject({ status: "ok", node: process.version });
  });
});
