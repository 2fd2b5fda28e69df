import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import type { IClientOptions } from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { openServerTls } from "../../../ports/tls/server.ts";
import { filesOf, testAuthority } from "../../../ports/tls/testing.ts";
import type { MqttApplication } from "../broker-port.ts";
import { serve, started, taken } from "./testing.ts";

const authority = testAuthority(Date.now());
const stranger = testAuthority(Date.now(), "Somebody else");
const server = authority.issue({ commonName: "localhost" });
const pump = authority.issue({ commonName: "pump-1", use: "client" });

/** A listener that also speaks TLS; `names`: of the certificates with which clients came. */
async function serveTls() {
  const path = filesOf({ crt: server.cert, key: server.key, ca: authority.cert });
  const identity = openServerTls({
    files: {
      certificate: { option: "CERT", path: path("crt") },
      key: { option: "KEY", path: path("key") },
      clientAuthorities: { option: "CA", path: path("ca") },
    },
    log: { info: () => {}, warn: () => {} },
  });
  onTestFinished(() => identity.close());
  const names: (string | undefined)[] = [];
  const authenticate: MqttApplication["authenticate"] = async ({ clientId, certificateName }) => {
    names.push(certificateName);
    return { kind: "accept", principal: { kind: "device", device: certificateName ?? clientId } };
  };
  const served = await serve({
    wsPort: 0,
    tls: { identity, host: "127.0.0.1", port: 0, wsPort: 0 },
    application: { authenticate },
  });
  const { tlsPort, wssPort } = served.listener;
  const urls = { mqtts: `mqtts://localhost:${tlsPort}`, wss: `wss://localhost:${wssPort}/mqtt` };
  return { ...served, names, urls, tlsPort: tlsPort! };
}

/** Rejects if it is not taken. */
const client = (url: string, options: IClientOptions = {}) =>
  taken(started(url, { ca: authority.cert, clientId: "c", ...options }));

test.each(["mqtts", "wss"] as const)("messages go both ways over %s, of every size", async (scheme) => {
  const { urls } = await serveTls();
  const one = await client(urls[scheme]);
  const heard = new Promise<[string, Buffer]>((resolve) => {
    one.once("message", (topic, payload) => resolve([topic, payload]));
  });
  await one.subscribeAsync("a/+", { qos: 1 });
  const payload = Buffer.alloc(100_000, "x");
  await one.publishAsync("a/b", payload, { qos: 1 });
  const [topic, got] = await heard;
  expect([topic, Buffer.compare(got, payload)]).toEqual(["a/b", 0]);
});

test.each(["mqtts", "wss"] as const)("the name of a device's certificate is handed on over %s", async (scheme) => {
  const { urls, names } = await serveTls();
  await client(urls[scheme], { cert: pump.cert, key: pump.key });
  await client(urls[scheme], { clientId: "without" });
  expect(names).toEqual(["pump-1", undefined]);
});

test.each(["mqtts", "wss"] as const)("a certificate of a stranger ends the connection over %s", async (scheme) => {
  const { urls, names, heard } = await serveTls();
  const { cert, key } = stranger.issue({ commonName: "pump-1" });
  await expect(client(urls[scheme], { cert, key })).rejects.toThrow();
  await heard("violation -: client certificate not trusted");
  expect(names).toEqual([]);
});

test("who does not speak TLS is turned away and counted, and harms nobody", async () => {
  const { urls, tlsPort, heard } = await serveTls();
  const socket = connectTcp(tlsPort, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(Buffer.from("101000044d5154540402003c000161", "hex"));
  await once(socket, "close");
  await heard("violation -: TLS handshake failed");
  expect((await client(urls.mqtts)).connected).toBe(true);
});

test("TLS below 1.2 is refused", async () => {
  const { tlsPort, heard } = await serveTls();
  const socket = connectTls({ port: tlsPort, ca: authority.cert, maxVersion: "TLSv1.1", minVersion: "TLSv1" });
  await once(socket, "error");
  await heard("violation -: TLS handshake failed");
});

test("closing does not wait for handshakes that never end", async () => {
  const { listener, tlsPort } = await serveTls();
  const socket = connectTcp(tlsPort, "127.0.0.1");
  onTestFinished(() => {
    socket.destroy();
  });
  socket.on("error", () => {}); // closed by the other side, in whichever way
  await once(socket, "connect");
  const closed = once(socket, "close");
  socket.resume();
  await listener.close();
  await closed;
});

test("a TLS port that is taken closes what was opened before it", async () => {
  const { listener } = await serveTls();
  const path = filesOf({ crt: server.cert, key: server.key });
  const certificate = { option: "CERT", path: path("crt") };
  const files = { certificate, key: { option: "KEY", path: path("key") }, clientAuthorities: null };
  const identity = openServerTls({ files, log: { info: () => {}, warn: () => {} } });
  onTestFinished(() => identity.close());
  const tls = { identity, host: "127.0.0.1", port: listener.tlsPort!, wsPort: 0 };
  await expect(serve({ tls })).rejects.toMatchObject({ code: "EADDRINUSE" });
});
