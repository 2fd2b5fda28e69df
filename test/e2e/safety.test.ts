import { once } from "node:events";
import { request } from "node:http";
import type { IClientOptions } from "mqtt";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import type { Credentials } from "../../ports/credentials/port.ts";
import { openPostgresCredentials } from "../../ports/credentials/postgres.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { type Answer, type Doppel, embeddedOnly, eventually, startDoppel } from "../harness.ts";
import { closing, connectListening } from "./listening.ts";

let closed: Doppel;
let credentials: Credentials;
let pool: ReturnType<typeof openPool>;
let key: string;
const secrets: string[] = [];

beforeAll(async () => {
  closed = await startDoppel({ requireCredentials: "yes", registry: "open", graceSeconds: 1, logLevel: "trace" });
  pool = openPool(closed.databaseUrl);
  credentials = await openPostgresCredentials(pool);
  key = await secretOf("app", "dashboard");
});
afterAll(async () => {
  await pool?.end();
  await closed?.close();
});

async function secretOf(kind: "device" | "app", subject: string): Promise<string> {
  const { secret } = await credentials.create(kind, subject);
  secrets.push(secret);
  return secret;
}

type Asked = { method?: string; headers?: Record<string, string>; body?: object };

/** With the headers as they are given, `host` included, which fetch would not send. */
function ask(doppel: Doppel, path: string, { method = "GET", headers = {}, body }: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const type = body === undefined ? {} : { "content-type": "application/json" };
    const asked = request(new URL(path, doppel.httpUrl), { method, headers: { ...type, ...headers } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => {
        const json = String(answer.headers["content-type"]).includes("json");
        resolve({ status: answer.statusCode, headers: answer.headers, body: json ? JSON.parse(text) : text });
      });
    });
    asked.once("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const bearer = (secret: string) => ({ headers: { authorization: `Bearer ${secret}` } });

/** The status with which a WebSocket is refused; 101 if it is not. */
function upgrade(url: string, headers: Record<string, string> = {}, protocol?: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, protocol === undefined ? [] : [protocol], { headers });
    onTestFinished(() => socket.terminate());
    socket.on("error", () => {});
    socket.once("open", () => resolve(101));
    socket.once("unexpected-response", (_, response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
  });
}

const live = (doppel: Doppel, query = "") => `${doppel.httpUrl.replace("http", "ws")}/v1/live${query}`;

/** gateways/http has the tests of what EMQX asks us. */
const noAuthn = "mosquitto, which stands in for EMQX, lets everybody in";

embeddedOnly(noAuthn, () => {
  describe("where credentials are required, a device", () => {
    test.each([4, 5] as const)("gets in with its id and its token (MQTT version %i)", async (protocolVersion) => {
      const id = `pump-${protocolVersion}`;
      const password = await secretOf("device", id);
      const device = await connectListening(closed.mqttUrl, "any-client-id", {
        protocolVersion,
        username: id,
        password,
      });
      await device.client.publishAsync(`devices/${id}/telemetry`, '{"readings":{"t":1}}', { qos: 1 });
      expect((await ask(closed, `/v1/devices/${id}`, bearer(key))).body).toMatchObject({
        status: "online",
        connected: true,
      });
    });

    test("is refused with anything else, by the codes of MQTT 3.1.1 and 5", async () => {
      const token = await secretOf("device", "careful");
      const other = await secretOf("device", "other");
      const wrong: [string, IClientOptions][] = [
        ["no credentials", {}],
        ["no token", { username: "careful" }],
        ["a wrong token", { username: "careful", password: `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}` }],
        ["a token in other letters", { username: "careful", password: token.toUpperCase() }],
        ["another device's token", { username: "careful", password: other }],
        ["an API key", { username: "careful", password: key }],
        ["a token where a key is needed", { username: "app", password: token }],
        ["a wrong key", { username: "app", password: "dpl_a_no-key" }],
      ];
      for (const [what, options] of wrong) {
        const connecting = (protocolVersion: 4 | 5) =>
          connectListening(closed.mqttUrl, "careful", { ...options, protocolVersion });
        await expect(connecting(4), what).rejects.toMatchObject({ code: 4 });
        await expect(connecting(5), what).rejects.toMatchObject({ code: 0x86 });
      }
      expect((await ask(closed, "/v1/devices/careful", bearer(key))).status).toBe(404);
      const metrics = (await ask(closed, "/metrics", bearer(key))).body;
      expect(metrics).toContain(`doppel_mqtt_connections_refused_total{reason="badCredentials"} ${wrong.length * 2}`);
    });

    test("speaks only for itself, and cannot take the session of another", async () => {
      const alice = await secretOf("device", "alice");
      const mallory = await secretOf("device", "mallory");
      const first = await connectListening(closed.mqttUrl, "shared-name", { username: "alice", password: alice });
      const second = connectListening(closed.mqttUrl, "shared-name", { username: "mallory", password: mallory });
      await expect(second).rejects.toMatchObject({ code: 2 });
      expect(first.client.connected).toBe(true);
      const evil = await connectListening(closed.mqttUrl, "mallory", {
        username: "mallory",
        password: mallory,
        protocolVersion: 5,
      });
      const payload = '{"readings":{"t":666}}';
      await expect(evil.client.publishAsync("devices/alice/telemetry", payload, { qos: 1 })).rejects.toMatchObject({
        code: 0x87,
      });
      expect((await ask(closed, "/v1/devices/alice", bearer(key))).body.latest).toEqual({});
    });

    test("whose token is revoked is disconnected, and stays out", async () => {
      const made = await ask(closed, "/v1/credentials", {
        method: "POST",
        ...bearer(key),
        body: { kind: "device", subject: "revoked" },
      });
      expect(made.status).toBe(201);
      const { id, secret: password } = made.body;
      secrets.push(password);
      const device = await connectListening(closed.mqttUrl, "revoked", { username: "revoked", password });
      const end = closing(device);
      expect((await ask(closed, `/v1/credentials/${id}`, { method: "DELETE", ...bearer(key) })).status).toBe(204);
      await end;
      const again = connectListening(closed.mqttUrl, "revoked", { username: "revoked", password });
      await expect(again).rejects.toMatchObject({ code: 4 });
    });
  });
});

describe("where credentials are required, an app", () => {
  embeddedOnly(noAuthn, () => {
    test("gets in over MQTT with its API key, and hears the devices", async () => {
      const app = await connectListening(closed.mqttUrl, "dashboard", { username: "app", password: key });
      await app.client.subscribeAsync("devices/+/telemetry", { qos: 1 });
      const password = await secretOf("device", "heard");
      const device = await connectListening(closed.mqttUrl, "heard", { username: "heard", password });
      await device.client.publishAsync("devices/heard/telemetry", '{"readings":{"t":1}}', { qos: 1 });
      await eventually(() => expect(app.heard).toHaveLength(1));
    });
  });

  test.each([
    "/v1/devices",
    "/v1/stats",
    "/v1/credentials",
    "/metrics",
    "/api/devices",
    "/v1/devices/none/shadow",
    "/v1/nowhere",
  ])("needs its key for %s", async (path) => {
    const device = await secretOf("device", "not-an-app");
    for (const asked of [{}, bearer("dpl_a_wrong"), bearer(device), { headers: { authorization: `Basic ${key}` } }]) {
      const { status, headers, body } = await ask(closed, path, asked);
      expect([status, headers["content-type"]]).toEqual([401, "application/problem+json"]);
      expect(headers["www-authenticate"]).toMatch(/^Bearer/);
      expect(body).toMatchObject({ type: "urn:doppel:problem:unauthorized", status: 401, instance: path });
    }
    expect((await ask(closed, path, bearer(key))).status).not.toBe(401);
  });

  test("needs its key for AWS's data plane and for changes", async () => {
    const changes: [string, string][] = [
      ["POST", "/things/x/shadow"],
      ["POST", "/topics/devices/x/telemetry"],
      ["POST", "/v1/devices"],
      ["POST", "/v1/devices/import"],
      ["POST", "/v1/devices/x/commands"],
      ["DELETE", "/v1/devices/x"],
    ];
    for (const [method, path] of changes) {
      const { status } = await ask(closed, path, { method, ...(method === "POST" ? { body: { id: "x" } } : {}) });
      expect([401, 403], `${method} ${path}`).toContain(status);
    }
    expect((await ask(closed, "/v1/devices/x", bearer(key))).status).toBe(404);
  });

  test("needs its key for the live WebSocket, in the header or in the query", async () => {
    expect(await upgrade(live(closed))).toBe(401);
    expect(await upgrade(live(closed, "?key=dpl_a_wrong"))).toBe(401);
    expect(await upgrade(live(closed, `?key=${key}`))).toBe(101);
    expect(await upgrade(live(closed), bearer(key).headers)).toBe(101);
  });

  test("is out at once when its key is revoked", async () => {
    const { credential, secret } = await credentials.create("app", "short-lived");
    secrets.push(secret);
    expect((await ask(closed, "/v1/devices", bearer(secret))).status).toBe(200);
    const socket = new WebSocket(live(closed), bearer(secret));
    onTestFinished(() => socket.terminate());
    await once(socket, "open");
    const end = once(socket, "close");
    await ask(closed, `/v1/credentials/${credential.id}`, { method: "DELETE", ...bearer(key) });
    expect((await ask(closed, "/v1/devices", bearer(secret))).status).toBe(401);
    expect((await end)[0]).toBe(1008);
  });

  embeddedOnly(noAuthn, () => {
    test("is disconnected from MQTT when its key is revoked", async () => {
      const { credential, secret } = await credentials.create("app", "short-lived-too");
      secrets.push(secret);
      const app = await connectListening(closed.mqttUrl, "short-lived", { username: "app", password: secret });
      const end = closing(app);
      await ask(closed, `/v1/credentials/${credential.id}`, { method: "DELETE", ...bearer(key) });
      await end;
    });
  });

  test("needs no key to ask whether the system is there, and learns nothing else", async () => {
    for (const path of ["/health/services", "/openapi.json", "/docs"])
      expect((await ask(closed, path)).status, path).toBeLessThan(400);
  });
});

test("no secret is in the log, nor in any answer after the one that made it", async () => {
  const { body } = await ask(closed, "/v1/credentials", bearer(key));
  expect(body.items.length).toBeGreaterThan(2);
  const told = `${JSON.stringify(body)}${closed.logged()}`;
  for (const secret of secrets) expect(told).not.toContain(secret);
  const { rows } = await pool.query("select t::text as text from credentials t");
  for (const secret of secrets) for (const { text } of rows) expect(text).not.toContain(secret);
});

describe("open on loopback", () => {
  let open: Doppel;
  beforeAll(async () => {
    open = await startDoppel();
  });
  afterAll(() => open?.close());

  test("a request under a foreign name is refused: another site's name may lead here", async () => {
    const { port } = new URL(open.httpUrl);
    for (const host of [`evil.example:${port}`, "evil.example", `127.0.0.1.evil.example:${port}`]) {
      const { status, body } = await ask(open, "/v1/devices", { headers: { host } });
      expect([status, body.type]).toEqual([403, "urn:doppel:problem:host-not-allowed"]);
      expect(await upgrade(live(open), { host })).toBe(403);
    }
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
      expect((await ask(open, "/v1/devices", { headers: { host } })).status).toBe(200);
  });

  test("a page of another origin may not change anything, nor listen in, nor read", async () => {
    const foreign = { origin: "http://evil.example" };
    const made = await ask(open, "/v1/devices", { method: "POST", headers: foreign, body: { id: "planted" } });
    expect([made.status, made.body.type]).toEqual([403, "urn:doppel:problem:origin-not-allowed"]);
    expect(
      (await ask(open, "/topics/devices/planted/telemetry", { method: "POST", headers: foreign, body: {} })).status,
    ).toBe(403);
    await open.call("GET", "/v1/devices/planted", undefined, 404);
    expect(await upgrade(live(open), foreign)).toBe(403);
    expect(await upgrade(live(open), { origin: open.httpUrl })).toBe(101);
    // Without a CORS header the browser keeps the answer from the page.
    const read = await ask(open, "/v1/devices", { headers: foreign });
    expect(read.headers).not.toHaveProperty("access-control-allow-origin");
  });

  embeddedOnly("the listener is a broker of its own, which knows no origins", () => {
    test("MQTT over WebSocket is refused to a page of another origin", async () => {
      const url = open.wsUrl;
      expect(await upgrade(url, { origin: "http://evil.example" }, "mqtt")).toBe(403);
      expect(await upgrade(url, {}, "mqtt")).toBe(101);
    });
  });
});
