import type { AddressInfo } from "node:net";
import {
  DeleteThingShadowCommand,
  GetThingShadowCommand,
  IoTDataPlaneClient,
  ListNamedShadowsForThingCommand,
  PublishCommand,
  UpdateThingShadowCommand,
} from "@aws-sdk/client-iot-data-plane";
import { createAdaptorServer } from "@hono/node-server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

describe("AWS's data plane", () => {
  test("refusals have AWS's form", async () => {
    const missing = await api.request("GET", "/things/pump-4/shadow");
    expect(missing.status).toBe(404);
    expect(missing.headers.get("x-amzn-errortype")).toBe("ResourceNotFoundException");
    expect(await missing.json()).toEqual({ message: "Thing not found" });

    await api.request("POST", "/things/pump-4/shadow", '{"state":{"desired":{"a":1}}}');
    const conflict = await api.request("POST", "/things/pump-4/shadow", '{"state":{"desired":{"a":2}},"version":7}');
    expect([conflict.status, conflict.headers.get("x-amzn-errortype")]).toEqual([409, "ConflictException"]);
    const malformed = await api.request("POST", "/things/pump-4/shadow", "{");
    expect([malformed.status, malformed.headers.get("x-amzn-errortype")]).toEqual([400, "InvalidRequestException"]);
    expect(await malformed.json()).toEqual({ message: "Invalid JSON" });
    const large = await api.request(
      "POST",
      "/things/pump-4/shadow",
      JSON.stringify({ state: { desired: { a: "x".repeat(9_000) } } }),
    );
    expect([large.status, large.headers.get("x-amzn-errortype")]).toEqual([413, "RequestEntityTooLargeException"]);
    const method = await api.request("PUT", "/things/pump-4/shadow");
    expect([method.status, method.headers.get("x-amzn-errortype")]).toEqual([405, "MethodNotAllowedException"]);
  });

  test("a topic with wildcards cannot be published to", async () => {
    for (const topic of ["a%2F%2B", "a%2F%23", "a%00b", "x".repeat(300)]) {
      expect((await api.request("POST", `/topics/${topic}`, "x")).status).toBe(400);
    }
    expect(api.published).toEqual([]);
  });

  test("what is published to a device's telemetry reaches its twin", async () => {
    const path = "/topics/devices%2Fpump-4%2Ftelemetry?qos=1";
    expect((await api.request("POST", path, '{"readings":{"t":21.5}}')).status).toBe(200);
    expect((await api.json("GET", "/v1/devices/pump-4")).body.latest.t.value).toBe(21.5);
  });

  test("names of shadows come in pages", async () => {
    for (let n = 0; n < 7; n += 1)
      await api.request("POST", `/things/pump-4/shadow?name=s${n}`, '{"state":{"reported":{"a":1}}}');
    await api.request("POST", "/things/pump-4/shadow", '{"state":{"reported":{"a":1}}}');
    const path = "/api/things/shadow/ListNamedShadowsForThing/pump-4?pageSize=4";
    const first = (await api.json("GET", path)).body;
    expect(first).toMatchObject({ results: ["s0", "s1", "s2", "s3"], timestamp: 1_795_262_400 });
    const second = (await api.json("GET", `${path}&nextToken=${first.nextToken}`)).body;
    expect(second).toEqual({ results: ["s4", "s5", "s6"], timestamp: 1_795_262_400 });
  });

  test("AWS's own client works unchanged", async () => {
    const server = createAdaptorServer({ fetch: api.fetch });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    const { port } = server.address() as AddressInfo;
    const client = new IoTDataPlaneClient({
      endpoint: `http://127.0.0.1:${port}`,
      region: "eu-north-1",
      credentials: { accessKeyId: "any", secretAccessKey: "any" },
      maxAttempts: 1,
    });
    const json = (bytes: Uint8Array | undefined) => JSON.parse(new TextDecoder().decode(bytes));
    const thingName = "pump-4";
    const shadowName = "net";
    try {
      const payload = JSON.stringify({ state: { desired: { a: 1 } } });
      expect(
        json((await client.send(new UpdateThingShadowCommand({ thingName, shadowName, payload }))).payload).version,
      ).toBe(1);
      expect(json((await client.send(new GetThingShadowCommand({ thingName, shadowName }))).payload).state).toEqual({
        desired: { a: 1 },
        delta: { a: 1 },
      });
      const listed = await client.send(new ListNamedShadowsForThingCommand({ thingName, pageSize: 10 }));
      expect(listed.results).toEqual(["net"]);
      await client.send(new DeleteThingShadowCommand({ thingName, shadowName }));
      const gone = client.send(new GetThingShadowCommand({ thingName, shadowName }));
      await expect(gone).rejects.toMatchObject({
        name: "ResourceNotFoundException",
        message: "No shadow exists with name: net",
      });
      await client.send(new PublishCommand({ topic: "alarms/hall 3", qos: 1, retain: true, payload: "fire" }));
      const published = api.published.filter(({ topic }) => !topic.startsWith("$aws/"));
      expect(published).toMatchObject([{ topic: "alarms/hall 3", qos: 1, retain: true }]);
      expect(new TextDecoder().decode(published[0]?.payload as Uint8Array)).toBe("fire");
    } finally {
      client.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
