/** The broker's listener for us with TLS and certificates of both sides: downlink and ingress. */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { mosquittoIsHere, testMosquitto } from "../../../deploy/native/testing.ts";
import { openMqttDownlink } from "../../../ports/downlink/mqtt.ts";
import type { ClientTls } from "../../../ports/tls/client.ts";
import { filesOf, testAuthority } from "../../../ports/tls/testing.ts";
import type { IncomingPublish } from "../broker-port.ts";
import { type IngressMeter, openIngress } from "./ingress.ts";

const authority = testAuthority(Date.now());
const stranger = testAuthority(Date.now(), "Somebody else");
const server = authority.issue({ commonName: "mosquitto", use: "server" });
const ours = authority.issue({ commonName: "doppel", use: "client" });

describe.skipIf(!mosquittoIsHere)("a broker with TLS", () => {
  async function broker() {
    const path = filesOf({ crt: server.cert, key: server.key, ca: authority.cert });
    const { broker, close } = await testMosquitto({ cert: path("crt"), key: path("key"), ca: path("ca") });
    onTestFinished(close);
    const { username, password } = broker;
    return { url: broker.secureUrl!, username, password };
  }

  const meter: IngressMeter = { redelivered() {}, refused() {}, unreadable() {}, connectionLost() {} };

  function ingress(access: Awaited<ReturnType<typeof broker>>, tls: ClientTls) {
    const heard: IncomingPublish[] = [];
    const log = { info: vi.fn(), warn: vi.fn() };
    const opened = openIngress({
      ...access,
      tls,
      clientId: "doppel-gateways-1",
      handle: (message, done) => {
        heard.push(message);
        done({ kind: "accept" });
      },
      meter,
      log,
    });
    onTestFinished(() => opened.close());
    return { opened, heard, log };
  }

  test.each(["localhost", "127.0.0.1"])("messages go out and come in, to %s", async (host) => {
    const found = await broker();
    const access = { ...found, url: found.url.replace("127.0.0.1", host) };
    const tls = { ca: authority.cert, ...ours };
    const { opened, heard } = ingress(access, tls);
    await opened.ready;
    const downlink = openMqttDownlink({ ...access, tls, clientIdPrefix: "doppel-actors", timeoutMs: 20_000 });
    onTestFinished(() => downlink.close());
    await downlink.publish({ topic: "devices/pump-1/telemetry", payload: "1", qos: 1 });
    await vi.waitFor(() => expect(heard.map(({ topic }) => topic)).toEqual(["devices/pump-1/telemetry"]));
  });

  test.each([
    ["whose certificate somebody else has signed", { ca: stranger.cert, ...ours }],
    ["that wants a certificate, without one", { ca: authority.cert }],
  ])("one %s is not spoken to, and the log says why", async (_what, tls) => {
    const { opened, log } = ingress(await broker(), tls);
    await vi.waitFor(() => expect(log.warn).toHaveBeenCalled(), { timeout: 15_000 });
    expect(opened.connected).toBe(0);
    expect(JSON.stringify(log.warn.mock.calls)).toMatch(/certificate|alert|closed the connection|ECONNRESET/);
  });
});
