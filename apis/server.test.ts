import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { type Api, CredentialsNeeded, openApi } from "./server.ts";
import { openTestApi, type TestApi } from "./testing.ts";

let inside: TestApi;
let api: Api;
beforeEach(async () => {
  inside = await openTestApi();
  api = await openApi(inside.parts, { host: "127.0.0.1", port: 0 });
});
afterEach(async () => {
  await api.close();
  await inside.close();
});

const at = (path: string) => `http://127.0.0.1:${api.port}${path}`;
const send = (method: string, path: string, body?: unknown) =>
  fetch(at(path), {
    method,
    headers: { "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

/** A listener whose messages wait to be asked for. */
async function listen(options: { query?: string; headers?: Record<string, string>; port?: number } = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${options.port ?? api.port}/v1/live${options.query ?? ""}`, {
    headers: options.headers ?? {},
  });
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of a message
  const messages: any[] = [];
  let wake = () => {};
  socket.on("message", (data) => {
    messages.push(JSON.parse(String(data)));
    wake();
  });
  socket.on("error", () => {});
  const opened = await new Promise<{ status: number; body: string } | null>((resolve) => {
    socket.once("open", () => resolve(null));
    socket.once("unexpected-response", async (_request, response) => {
      let body = "";
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode ?? 0, body });
    });
  });
  onTestFinished(() => socket.terminate());
  return {
    socket,
    refused: opened,
    /** Resolves when the server has taken what was sent before. */
    async send(request: unknown) {
      socket.send(typeof request === "string" ? request : JSON.stringify(request));
      socket.ping();
      await once(socket, "pong");
    },
    async next(): Promise<(typeof messages)[number]> {
      while (messages.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return messages.shift();
    },
    messages,
  };
}

describe("the server", () => {
  test("serves HTTP on the port that it found", async () => {
    expect((await send("POST", "/v1/devices", { id: "pump-4" })).status).toBe(201);
    expect(await (await send("GET", "/v1/devices/pump-4")).json()).toMatchObject({ id: "pump-4" });
    expect((await fetch(at("/v1/devices/pump-4"), { method: "HEAD" })).status).toBe(200);
  });

  test("refuses a foreign Host, which fetch itself would never send", async () => {
    const socket = connect(api.port, "127.0.0.1");
    socket.end("GET /v1/stats HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1.1 403 /);
  });

  test("goes on serving after bytes that are no HTTP", async () => {
    const socket = connect(api.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.end(Buffer.from([0x16, 0x03, 0x01, 0x00, 0xff, 0x00]));
    for await (const _ of socket);
    expect((await send("GET", "/v1/stats")).status).toBe(200);
  });

  test("streams an import", async () => {
    async function* body() {
      for (let n = 0; n < 500; n += 1) yield new TextEncoder().encode(`{"id":"d-${n}"}\n`);
    }
    const response = await fetch(at("/v1/devices/import"), {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: Readable.toWeb(Readable.from(body())),
      duplex: "half",
    } as RequestInit);
    expect(await response.json()).toMatchObject({ accepted: 500 });
  });

  test("takes a body in chunks, and an end without one", async () => {
    const chunked = (text: string) =>
      fetch(at("/v1/devices/a/shadow"), {
        method: "PATCH",
        headers: { "content-type": "application/json" },
        body: Readable.toWeb(
          Readable.from([text.slice(0, 5), text.slice(5)].map((part) => new TextEncoder().encode(part))),
        ),
        duplex: "half",
      } as RequestInit);
    expect((await chunked('{"state":{"desired":{"a":1}}}')).status).toBe(200);
    expect((await chunked('{"state":')).status).toBe(400);
    expect((await send("DELETE", "/v1/devices/a/shadow")).status).toBe(200);
    const large = chunked("x".repeat(1_100_000));
    expect((await large).status).toBe(413);
  });

  test("answers a body over the limit without reading it all", async () => {
    const response = await fetch(at("/v1/devices/a/telemetry"), { method: "POST", body: new Uint8Array(3_000_000) });
    expect(response.status).toBe(413);
  });

  test("listens beyond loopback only with credentials", async () => {
    await expect(openApi(inside.parts, { host: "0.0.0.0", port: 0 })).rejects.toThrow(CredentialsNeeded);
  });

  test("says when the port is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    await expect(openApi(inside.parts, { host: "127.0.0.1", port })).rejects.toMatchObject({ code: "EADDRINUSE" });
    other.close();
  });

  test("closes twice without harm, with listeners connected", async () => {
    const { socket } = await listen();
    const closed = once(socket, "close");
    await Promise.all([api.close(), api.close()]);
    expect((await closed)[0]).toBe(1001);
  });
});

describe("live", () => {
  test("a listener to a device hears its telemetry, presence, shadow and commands as they happen", async () => {
    const live = await listen();
    await live.send({ subscribe: { devices: ["pump-4"] } });
    await send("POST", "/v1/devices/other/telemetry", { readings: { t: 1 } });
    await send("POST", "/v1/devices/pump-4/telemetry", { ts: 1_795_262_399_000, readings: { t: 21.5, open: true } });
    expect(await live.next()).toEqual({
      type: "presence",
      device: "pump-4",
      status: "online",
      since: "2026-11-21T12:00:00.000Z",
      connected: false,
      flapping: false,
      lastSeen: "2026-11-21T12:00:00.000Z",
    });
    expect(await live.next()).toEqual({
      type: "telemetry",
      device: "pump-4",
      ts: "2026-11-21T11:59:59.000Z",
      readings: { t: 21.5, open: true },
    });
    await send("PATCH", "/v1/devices/pump-4/shadow", { state: { desired: { a: 1, b: 2 }, reported: { a: 1 } } });
    expect(await live.next()).toEqual({
      type: "shadow",
      device: "pump-4",
      shadow: "",
      version: 1,
      state: { desired: { a: 1, b: 2 }, reported: { a: 1 }, delta: { b: 2 } },
    });
    await send("DELETE", "/v1/devices/pump-4/shadow");
    expect(await live.next()).toMatchObject({ type: "shadow", version: 1, state: null });
    await send("POST", "/v1/devices/pump-4/commands", { id: "c1", name: "reboot" });
    expect(await live.next()).toEqual({
      type: "command",
      device: "pump-4",
      command: "c1",
      name: "reboot",
      state: "queued",
    });
    await send("POST", "/v1/devices/pump-4/commands/c1/cancel");
    expect(await live.next()).toEqual({
      type: "command",
      device: "pump-4",
      command: "c1",
      name: "reboot",
      state: "cancelled",
    });
    expect(live.messages).toEqual([]);
  });

  test("a listener to a region hears its devices, once where it also listens to the device", async () => {
    await send("POST", "/v1/devices", { id: "pump-4", region: "eu" });
    await send("POST", "/v1/devices", { id: "pump-5", region: "us" });
    const live = await listen();
    await live.send({ subscribe: { devices: ["pump-4"], regions: ["eu"] } });
    await send("POST", "/v1/devices/pump-5/telemetry", { readings: { t: 1 } });
    await send("POST", "/v1/devices/pump-4/telemetry", { readings: { t: 2 } });
    expect(await live.next()).toMatchObject({ type: "presence", device: "pump-4" });
    expect(await live.next()).toMatchObject({ type: "telemetry", device: "pump-4" });
    await live.send({ unsubscribe: { devices: ["pump-4"], regions: ["eu"] } });
    await send("POST", "/v1/devices/pump-4/telemetry", { readings: { t: 3 } });
    await live.send("not JSON");
    expect(await live.next()).toMatchObject({ type: "error" });
  });

  test("a listener to the fleet hears presence and, each second, statistics, but no telemetry", async () => {
    const live = await listen();
    await live.send({ subscribe: { fleet: true } });
    await send("POST", "/v1/devices/pump-4/telemetry", { readings: { t: 1 } });
    expect(await live.next()).toMatchObject({ type: "presence", device: "pump-4" });
    expect(await live.next()).toMatchObject({
      type: "stats",
      devices: expect.any(Number),
      sinkLag: expect.any(Object),
    });
  });

  test.each([
    "nonsense",
    "[]",
    "{}",
    '{"subscribe":{}}',
    '{"subscribe":{"fleet":false}}',
    '{"subscribe":{"devices":["a/b"]}}',
    '{"subscribe":{"devices":"a"}}',
    '{"subscribe":{"fleet":true},"unsubscribe":{"fleet":true}}',
  ])("%s is answered with an error, and the connection goes on", async (request) => {
    const live = await listen();
    await live.send(request);
    expect(await live.next()).toEqual({ type: "error", detail: expect.any(String) });
    await live.send({ subscribe: { devices: ["pump-4"] } });
    await send("POST", "/v1/devices/pump-4/telemetry", { readings: { t: 1 } });
    expect(await live.next()).toMatchObject({ type: "presence" });
  });

  test("a listener that does not read ends with the newest, and nothing piles up for it", async () => {
    const live = await listen();
    await live.send({ subscribe: { devices: ["pump-4"] } });
    live.socket.pause();
    const padding = "x".repeat(60_000);
    for (let n = 1; n <= 400; n += 1) {
      const reply = await inside.host.ask("pump-4", {
        kind: "telemetry",
        topic: "devices/pump-4/telemetry",
        payload: new TextEncoder().encode(JSON.stringify({ ts: n, seq: n, readings: { n, padding } })),
        session: null,
      });
      expect(reply).toMatchObject({ accepted: 1 });
    }
    expect(api.liveWaiting()).toBe(1);
    live.socket.resume();
    let heard = 0;
    for (let message = await live.next(); message.readings?.n !== 400; message = await live.next()) heard += 1;
    expect(heard).toBeLessThan(300);
    expect(api.liveWaiting()).toBe(0);
  });

  test("a page of another origin, or under another name, cannot listen in", async () => {
    const foreign = await listen({ headers: { origin: "https://evil.example" } });
    expect(foreign.refused).toMatchObject({ status: 403, body: expect.stringContaining("origin-not-allowed") });
    expect((await listen({ headers: { host: "evil.example" } })).refused).toMatchObject({ status: 403 });
    expect((await listen({ headers: { origin: `http://127.0.0.1:${api.port}` } })).refused).toBeNull();
  });

  test("another path has no WebSocket, and the live path without one says what it is", async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${api.port}/v1/stats`);
    socket.on("error", () => {});
    const [, response] = await once(socket, "unexpected-response");
    expect(response.statusCode).toBe(404);
    response.destroy();
    const plain = await send("GET", "/v1/live");
    expect([plain.status, plain.headers.get("upgrade")]).toEqual([426, "websocket"]);
  });

  test("where credentials are required a key opens it, in the header or in the query", async () => {
    const locked = await openApi(
      { ...inside.parts, config: { ...inside.parts.config, requireCredentials: true } },
      { host: "127.0.0.1", port: 0 },
    );
    onTestFinished(() => locked.close());
    const { secret } = await inside.parts.credentials.create("app", "dashboard");
    const { port } = locked;
    expect((await listen({ port })).refused).toMatchObject({ status: 401 });
    expect((await listen({ port, query: "?key=wrong" })).refused).toMatchObject({ status: 401 });
    expect((await listen({ port, query: `?key=${secret}` })).refused).toBeNull();
    expect((await listen({ port, headers: { authorization: `Bearer ${secret}` } })).refused).toBeNull();
  });

  test("there are only so many connections", async () => {
    const small = await openApi(
      { ...inside.parts, config: { ...inside.parts.config, maxLiveConnections: 1 } },
      { host: "127.0.0.1", port: 0 },
    );
    onTestFinished(() => small.close());
    expect((await listen({ port: small.port })).refused).toBeNull();
    expect((await listen({ port: small.port })).refused).toMatchObject({ status: 503 });
  });
});
