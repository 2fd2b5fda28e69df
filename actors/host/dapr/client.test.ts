import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePort } from "../../../deploy/native/process.ts";
import { ActorUnavailable } from "./call-errors.ts";
import { type DaprClient, openDaprClient } from "./client.ts";
import { daprMissing, startTestDapr } from "./testing.ts";

const timeoutMs = 5_000;

describe("a call of an actor", () => {
  test("goes to the path of its type, id and method, with the API token", async () => {
    const { client, seen } = await sidecar((request, response) => response.end(request.url), "secret");
    const answer = await client.invoke("DeviceTwin", "a b:ü", "turns", "[]", { timeoutMs });
    expect(String(answer)).toBe("/v1.0/actors/DeviceTwin/a%20b%3A%C3%BC/method/turns");
    expect(seen).toEqual([expect.objectContaining({ method: "POST", body: "[]", token: "secret" })]);
  });

  test("keeps its connection for the next", async () => {
    const ports = new Set<number>();
    const { client } = await sidecar((request, response) => {
      ports.add(request.socket.remotePort!);
      response.end();
    });
    for (let call = 0; call < 5; call++) await client.invoke("T", "a", "m", "", { timeoutMs });
    expect(ports.size).toBe(1);
  });

  test("gives a long answer whole", async () => {
    const long = "x".repeat(300_000);
    const { client } = await sidecar((_request, response) => response.end(long));
    expect(String(await client.invoke("T", "a", "m", "", { timeoutMs }))).toBe(long);
  });

  test("to a sidecar where nobody listens has not run", async () => {
    const client = openDaprClient({ httpUrl: `http://127.0.0.1:${await freePort()}`, connections: 1 });
    onTestFinished(() => client.close());
    const call = client.invoke("T", "a", "m", "", { timeoutMs });
    await expect(call).rejects.toMatchObject({ code: "DAPR_SIDECAR_AWAY", mayHaveRun: false });
    expect(await client.healthy()).toBe(false);
  });

  test("whose connection breaks before the answer may have run, and is not sent again", async () => {
    const { client, seen } = await sidecar((request) => request.socket.destroy());
    const call = client.invoke("T", "a", "m", "x", { timeoutMs });
    await expect(call).rejects.toMatchObject({ code: "DAPR_SIDECAR_AWAY", mayHaveRun: true });
    expect(seen.length).toBe(1);
  });

  test("that is not answered in time may have run, and its connection ends, which tells the sidecar", async () => {
    let told = () => {};
    const dropped = new Promise<void>((resolve) => {
      told = resolve;
    });
    const { client } = await sidecar((request) => request.socket.once("close", told));
    const call = client.invoke("T", "a", "m", "x", { timeoutMs: 50 });
    await expect(call).rejects.toMatchObject({ code: "DAPR_CALL_TIMED_OUT", mayHaveRun: true });
    await dropped;
  });

  test("that waited for a free connection until its time was over has not run, and is never sent", async () => {
    let answer = () => {};
    const { client, seen } = await sidecar((_request, response) => {
      answer = () => response.end("first");
    });
    const first = client.invoke("T", "a", "m", "first", { timeoutMs });
    const second = client.invoke("T", "a", "m", "second", { timeoutMs: 50 });
    await expect(second).rejects.toMatchObject({ code: "DAPR_CALL_TIMED_OUT", mayHaveRun: false });
    answer();
    expect(String(await first)).toBe("first");
    const third = client.invoke("T", "a", "m", "third", { timeoutMs });
    while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    answer();
    await third;
    expect(seen.map(({ body }) => body)).toEqual(["first", "third"]);
  });

  test("to a sidecar that accepts connections and never reads is ended by its timeout", async () => {
    const server = createTcpServer((socket) => socket.pause().on("error", () => {}));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = openDaprClient({
      httpUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      connections: 1,
    });
    onTestFinished(async () => {
      await client.close();
      server.close();
    });
    const call = client.invoke("T", "a", "m", "x", { timeoutMs: 50 });
    await expect(call).rejects.toMatchObject({ code: "DAPR_CALL_TIMED_OUT" });
  });
});

describe("a reminder", () => {
  test("is registered with its times in milliseconds and its data, and taken back", async () => {
    const { client, seen } = await sidecar((_request, response) => response.writeHead(204).end());
    await client.registerReminder("T", "a", "sweep", { dueTimeMs: 0, periodMs: 2_000, data: { x: 1 } });
    await client.registerReminder("T", "a", "once", { dueTimeMs: 5 });
    await client.unregisterReminder("T", "a", "sweep");
    const path = "/v1.0/actors/T/a/reminders";
    expect(seen.map(({ method, url, body }) => [method, url, body])).toEqual([
      ["POST", `${path}/sweep`, '{"dueTime":"0ms","period":"2000ms","data":{"x":1}}'],
      ["POST", `${path}/once`, '{"dueTime":"5ms"}'],
      ["DELETE", `${path}/sweep`, ""],
    ]);
  });
});

describe.skipIf((await daprMissing()) !== null)("with Dapr", () => {
  test("an actor type that nobody hosts is unavailable, ids with a slash are refused, and metadata says who is here", async () => {
    const dapr = await startTestDapr();
    onTestFinished(() => dapr.close());
    const { url } = await dapr.sidecar({ appId: "doppel" });
    const client = openDaprClient({ httpUrl: url, connections: 2 });
    onTestFinished(() => client.close());
    while (!(await client.healthy())) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await client.metadata()).toMatchObject({ appId: "doppel", actors: [] });
    await expect(client.invoke("DeviceTwin", "a/b", "turns", "", { timeoutMs })).rejects.toMatchObject({
      code: "DAPR_CALL_REFUSED",
    });
    const reminder = client.registerReminder("DeviceTwin", "a", "sweep", { dueTimeMs: 0 });
    await expect(reminder).rejects.toBeInstanceOf(ActorUnavailable);
    const call = client.invoke("Nobody", "a", "turns", "", { timeoutMs: 15_000 }); // the sidecar tries for 5 s
    await expect(call).rejects.toBeInstanceOf(ActorUnavailable);
  });
});

type Seen = { method: string; url: string; body: string; token: string | undefined };

/** A sidecar that does as it is told, and a client with one connection to it. */
async function sidecar(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
  apiToken?: string,
): Promise<{ client: DaprClient; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    const token = request.headers["dapr-api-token"] as string | undefined;
    seen.push({ method: request.method!, url: request.url!, body, token });
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const httpUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = openDaprClient({ httpUrl, connections: 1, ...(apiToken === undefined ? {} : { apiToken }) });
  onTestFinished(async () => {
    await client.close();
    server.closeAllConnections();
    server.close();
  });
  return { client, seen };
}
