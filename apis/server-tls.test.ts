import { once } from "node:events";
import { get } from "node:https";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { openServerTls, type ServerTls } from "../ports/tls/server.ts";
import { filesOf, testAuthority } from "../ports/tls/testing.ts";
import { CredentialsNeeded, openApi } from "./server.ts";
import { openTestApi, type TestApi } from "./testing.ts";

const authority = testAuthority(Date.now());
const issued = authority.issue({ commonName: "localhost", use: "server" });

let inside: TestApi;
beforeEach(async () => {
  inside = await openTestApi();
});
afterEach(() => inside.close());

function anIdentity(): ServerTls {
  const path = filesOf({ crt: issued.cert, key: issued.key });
  const identity = openServerTls({
    files: {
      certificate: { option: "CERT", path: path("crt") },
      key: { option: "KEY", path: path("key") },
      clientAuthorities: null,
    },
    log: { info: () => {}, warn: () => {} },
  });
  onTestFinished(() => identity.close());
  return identity;
}

const at = (identity: ServerTls, host: string, port = 0) => ({
  ...{ host: "127.0.0.1", port: 0 },
  tls: { identity, host, port },
});

test("the API answers over HTTPS as it does over HTTP", async () => {
  const api = await openApi(inside.parts, at(anIdentity(), "127.0.0.1"));
  onTestFinished(() => api.close());
  const asked = get({ host: "localhost", port: api.tlsPort!, path: "/v1/stats", ca: authority.cert, agent: false });
  const [answer] = await once(asked, "response");
  answer.resume();
  expect(answer.statusCode).toBe(200);
  expect((await fetch(`http://127.0.0.1:${api.port}/v1/stats`)).status).toBe(200);
});

test("HTTPS beyond loopback needs credentials, too", async () => {
  await expect(openApi(inside.parts, at(anIdentity(), "0.0.0.0"))).rejects.toThrow(CredentialsNeeded);
});

test("when the port of HTTPS is taken, nothing stays open", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as AddressInfo;
  const opened = openApi(inside.parts, at(anIdentity(), "127.0.0.1", port));
  await expect(opened).rejects.toMatchObject({ code: "EADDRINUSE", port });
});

test("closing ends handshakes that never end", async () => {
  const api = await openApi(inside.parts, at(anIdentity(), "127.0.0.1"));
  const socket = connect(api.tlsPort!, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {}); // closed by the other side, in whichever way
  await once(socket, "connect");
  const closed = once(socket, "close");
  socket.resume();
  await api.close();
  await closed;
});
