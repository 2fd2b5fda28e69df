/**
 * The embedded system over TLS, as devices with certificates, apps and browsers use it. In the distributed mode devices
 * speak to a broker of its own, whose listeners those are.
 */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { request } from "node:https";
import awsIot from "aws-iot-device-sdk";
import { iot, iotshadow, mqtt5 } from "aws-iot-device-sdk-v2";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { openPostgresCredentials } from "../../ports/credentials/postgres.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { filesOf, folderOf, testAuthority } from "../../ports/tls/testing.ts";
import { type Answer, type Doppel, startDoppel } from "../harness.ts";
import { connectListening } from "./listening.ts";

const nowMs = Date.now();
const authority = testAuthority(nowMs);
const stranger = testAuthority(nowMs, "Somebody else");
const server = authority.issue({ commonName: "localhost", use: "server" });
const device = (name: string) => ({ ca: authority.cert, ...authority.issue({ commonName: name, use: "client" }) });

describe("over TLS", () => {
  let doppel: Doppel;
  let key: string;
  let token: (device: string) => Promise<string>;
  let pool: ReturnType<typeof openPool>;
  const { path, remove } = folderOf({ crt: server.cert, key: server.key, ca: authority.cert });

  beforeAll(async () => {
    const files = { tlsCert: path("crt"), tlsKey: path("key"), tlsClientCa: path("ca") };
    doppel = await startDoppel({ ...files, requireCredentials: "yes", registry: "open" });
    pool = openPool(doppel.databaseUrl);
    const credentials = await openPostgresCredentials(pool);
    token = async (subject) => (await credentials.create("device", subject)).secret;
    key = (await credentials.create("app", "tests")).secret;
  });
  afterAll(async () => {
    await pool?.end();
    await doppel?.close();
    remove();
  });

  /** Over HTTPS, with the app's key. */
  function ask(path: string, options: { headers?: Record<string, string> } = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${key}`, ...options.headers };
      const asked = request(new URL(path, doppel.tls!.httpsUrl), { ca: authority.cert, agent: false, headers });
      asked.once("response", async (response) => {
        let text = "";
        for await (const chunk of response) text += chunk;
        const { CN: name } = (response.socket as import("node:tls").TLSSocket).getPeerCertificate().subject;
        resolve({ status: response.statusCode, name, body: text.startsWith("{") ? JSON.parse(text) : text });
      });
      asked.once("error", reject);
      asked.end();
    });
  }

  test("a device's certificate is its credential, over MQTT and over WebSocket", async () => {
    for (const [id, url] of [
      ["over-tcp", doppel.tls!.mqttsUrl],
      ["over-ws", doppel.tls!.wssUrl],
    ] as const) {
      const { client } = await connectListening(url, id, device(id));
      await client.publishAsync(`devices/${id}/telemetry`, '{"readings":{"t":1}}', { qos: 1 });
      expect((await ask(`/v1/devices/${id}`)).body).toMatchObject({ id, connected: true, latest: { t: { value: 1 } } });
    }
  });

  test("a certificate speaks for the device that it names and for no other", async () => {
    const { client } = await connectListening(doppel.tls!.mqttsUrl, "pump-2", {
      ...device("pump-1"),
      username: "pump-2",
      protocolVersion: 5,
    });
    const as = (id: string) => client.publishAsync(`devices/${id}/telemetry`, '{"readings":{"t":1}}', { qos: 1 });
    await expect(as("pump-2")).rejects.toMatchObject({ code: 0x87 });
    await as("pump-1");
    expect((await ask("/v1/devices/pump-1")).status).toBe(200);
    expect((await ask("/v1/devices/pump-2")).status).toBe(404);
    const bad = connectListening(doppel.tls!.mqttsUrl, "any", device("no spaces"));
    await expect(bad).rejects.toMatchObject({ code: 2 });
  });

  test("without a certificate a token is needed, and gets in, over TLS as without it", async () => {
    const { mqttsUrl } = doppel.tls!;
    const ca = authority.cert;
    await expect(connectListening(mqttsUrl, "pump-3", { ca })).rejects.toMatchObject({ code: 4 });
    const password = await token("pump-3");
    await connectListening(mqttsUrl, "pump-3", { ca, username: "pump-3", password });
    await connectListening(doppel.mqttUrl, "pump-3", { username: "pump-3", password });
  });

  test("a certificate that somebody else has signed lets nobody in", async () => {
    const { cert, key: theirs } = stranger.issue({ commonName: "planted" });
    const options = { ca: authority.cert, cert, key: theirs };
    await expect(connectListening(doppel.tls!.mqttsUrl, "planted", options)).rejects.toThrow();
    expect((await ask("/v1/devices/planted")).status).toBe(404);
    expect((await ask("/metrics")).body).toContain(
      'doppel_mqtt_violations_total{reason="client certificate not trusted"} 1',
    );
  });

  test("AWS IoT Device SDK v2, as its builder for certificates makes it", async () => {
    const thingName = "thing-v2";
    const { cert, key: own } = device(thingName);
    const builder = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromMemory("localhost", cert, own);
    builder.withCertificateAuthority(authority.cert).withPort(doppel.tls!.mqttsPort);
    builder.withConnectProperties({ clientId: thingName, keepAliveIntervalSeconds: 30 });
    const connection = new mqtt5.Mqtt5Client(builder.build());
    const connected = once(connection, mqtt5.Mqtt5Client.CONNECTION_SUCCESS);
    connection.start();
    await connected;
    onTestFinished(async () => {
      const stopped = once(connection, mqtt5.Mqtt5Client.STOPPED);
      connection.stop();
      await stopped;
      connection.close();
    });
    const limits = { maxRequestResponseSubscriptions: 8, maxStreamingSubscriptions: 8, operationTimeoutInSeconds: 10 };
    const shadows = iotshadow.IotShadowClientv2.newFromMqtt5(connection, limits);
    onTestFinished(() => shadows.close());
    expect(await shadows.updateShadow({ thingName, state: { reported: { a: 1 } } })).toMatchObject({ version: 1 });
  });

  test("thingShadow of aws-iot-device-sdk 2.2, with its certificate", async () => {
    const thing = "thing-v1";
    const { cert, key: own } = device(thing);
    const connection = { host: "localhost", port: doppel.tls!.mqttsPort, clientId: thing, drainTimeMs: 1 };
    const client = awsIot.thingShadow({
      ...connection,
      privateKey: Buffer.from(own),
      clientCert: Buffer.from(cert),
      caCert: Buffer.from(authority.cert),
    });
    onTestFinished(() => new Promise<void>((resolve) => client.end(true, resolve)));
    await once(client, "connect");
    await new Promise<void>((resolve, reject) => {
      client.register(thing, {}, (error, failed) => (error || failed ? reject(error ?? failed) : resolve()));
    });
    const answered = once(client, "status");
    client.update(thing, { state: { reported: { a: 1 } } });
    expect((await answered)[1]).toBe("accepted");
  });

  test("the API, the dashboard's live view and pages of the same origin are served over HTTPS", async () => {
    expect((await ask("/v1/stats")).status).toBe(200);
    expect((await ask("/v1/stats", { headers: { authorization: "Bearer dpl_a_wrong" } })).status).toBe(401);
    const url = `${doppel.tls!.httpsUrl.replace("https", "wss")}/v1/live?key=${key}`;
    const live = new WebSocket(url, { ca: authority.cert, origin: doppel.tls!.httpsUrl });
    onTestFinished(() => live.terminate());
    await once(live, "open");
  });

  test("a new certificate is shown without a restart, and connections stay", async () => {
    const { client } = await connectListening(doppel.tls!.mqttsUrl, "pump-1", device("pump-1"));
    expect((await ask("/v1/stats")).name).toBe("localhost");
    expect((await ask("/metrics")).body).toMatch(/^doppel_tls_certificate_expiry_seconds \d{10}$/m);
    const renewed = authority.issue({ commonName: "renewed.example", use: "server" });
    writeFileSync(path("crt"), renewed.cert);
    writeFileSync(path("key"), renewed.key);
    await expect.poll(async () => (await ask("/v1/stats")).name, { timeout: 30_000 }).toBe("renewed.example");
    expect(client.connected).toBe(true);
    await client.publishAsync("devices/pump-1/telemetry", '{"readings":{"t":2}}', { qos: 1 });
  }, 60_000);
});

test("off loopback, what goes without TLS stays on loopback", async () => {
  const path = filesOf({ crt: server.cert, key: server.key });
  const doppel = await startDoppel({ host: "0.0.0.0", tlsCert: path("crt"), tlsKey: path("key") });
  onTestFinished(() => doppel.close());
  const anywhere = (url: string) => url.replace(/localhost|127\.0\.0\.1/, "127.0.0.2"); // of 127/8, which Linux has whole
  await expect(fetch(anywhere(`${doppel.httpUrl}/health/services`))).rejects.toThrow();
  await expect(connectListening(anywhere(doppel.mqttUrl), "pump-1")).rejects.toThrow();
  // Reached, and refused for want of a token.
  const options = { rejectUnauthorized: false };
  await expect(connectListening(anywhere(doppel.tls!.mqttsUrl), "pump-1", options)).rejects.toMatchObject({
    code: 4,
  });
});

test("files that do not fit stop the start and are named", async () => {
  const path = filesOf({ crt: server.cert, key: device("pump-1").key });
  await expect(startDoppel({ tlsCert: path("crt"), tlsKey: path("key") })).rejects.toMatchObject({
    code: "TLS_FILE_UNFIT",
    message: expect.stringMatching(/^DOPPEL_TLS_KEY is ".*", which is not the key of/),
  });
});
