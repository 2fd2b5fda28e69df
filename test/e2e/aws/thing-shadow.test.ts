import { once } from "node:events";
import awsIot, { type ThingShadow } from "aws-iot-device-sdk";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { selfSigned } from "../../../ports/tls/testing.ts";
import { type Doppel, startDoppel } from "../../harness.ts";
import { isConnected } from "../listening.ts";
import { openTlsFront } from "./tls-front.ts";

let doppel: Doppel;
let front: Awaited<ReturnType<typeof openTlsFront>>;
let things = 0;
// This SDK speaks TLS with a client certificate only.
const identity = selfSigned(Date.now());

beforeAll(async () => {
  doppel = await startDoppel();
  front = await openTlsFront(doppel.mqttPort, identity);
});
afterAll(async () => {
  await front?.close();
  await doppel?.close();
});

describe("thingShadow of aws-iot-device-sdk 2.2", () => {
  async function connect(
    clientId: string,
    thing: string,
    options: object = {},
    listening: object = {},
  ): Promise<ThingShadow> {
    const pem = Buffer.from(identity.cert);
    const connection = { host: "localhost", port: front.port, clientId, drainTimeMs: 1 };
    const client = awsIot.thingShadow({
      ...connection,
      ...options,
      privateKey: Buffer.from(identity.key),
      clientCert: pem,
      caCert: pem,
    });
    onTestFinished(() => new Promise<void>((resolve) => client.end(true, resolve)));
    await once(client, "connect");
    if (!("username" in options)) await isConnected(doppel, clientId);
    await new Promise<void>((resolve, reject) => {
      client.register(thing, listening, (error, failed) => (error || failed ? reject(error ?? failed) : resolve()));
    });
    return client;
  }

  type Status = { status: string; body: { state?: unknown; version?: number; code?: number; message?: string } };

  /** One operation, and the client's word on how it ended. */
  async function done(client: ThingShadow, start: () => string | null): Promise<Status> {
    const ended = Promise.race([
      once(client, "status"),
      once(client, "timeout").then(() => Promise.reject(new Error("the client gave up waiting for an answer"))),
    ]);
    const token = start();
    const [, status, clientToken, body] = await ended;
    expect(clientToken).toBe(token);
    return { status, body };
  }

  const newThing = () => `thing-shadow-${++things}`;

  test("a shadow that is not there is not found", async () => {
    const thing = newThing();
    const client = await connect(thing, thing);
    expect(await done(client, () => client.get(thing))).toMatchObject({
      status: "rejected",
      body: { code: 404, message: `No shadow exists with name: ${thing}` },
    });
  });

  test("what a device reports is accepted, version by version, and read back", async () => {
    const thing = newThing();
    const client = await connect(thing, thing);
    const update = (reported: object) => done(client, () => client.update(thing, { state: { reported } }));
    expect(await update({ a: 1, b: [1, 2] })).toMatchObject({ status: "accepted", body: { version: 1 } });
    expect(await update({ a: 2 })).toMatchObject({ status: "accepted", body: { version: 2 } });
    const { status, body } = await done(client, () => client.get(thing));
    expect(status).toBe("accepted");
    expect(body).toMatchObject({ version: 2, state: { reported: { a: 2, b: [1, 2] } } });
  });

  test("what an app desires reaches the device as a delta, and as a foreign change", async () => {
    const thing = newThing();
    const device = await connect(thing, thing);
    const app = await connect(`app-of-${thing}`, thing, { username: "app" });
    await done(device, () => device.update(thing, { state: { reported: { level: 1 } } }));

    const delta = once(device, "delta");
    const foreign = once(device, "foreignStateChange");
    await done(app, () => app.update(thing, { state: { desired: { level: 2 } } }));
    const [from, deltaBody] = await delta;
    expect([from, deltaBody]).toEqual([thing, expect.objectContaining({ version: 2, state: { level: 2 } })]);
    expect(await foreign).toEqual([thing, "update", expect.objectContaining({ state: { desired: { level: 2 } } })]);
  });

  test("a client that knows only an old version is refused, until it has got the new one", async () => {
    const thing = newThing();
    const device = await connect(thing, thing);
    const deaf = { ignoreDeltas: true, persistentSubscribe: false };
    const app = await connect(`app-of-${thing}`, thing, { username: "app" }, deaf);
    const report = (n: number) => done(device, () => device.update(thing, { state: { reported: { n } } }));
    const desire = (n: number) => done(app, () => app.update(thing, { state: { desired: { n } } }));
    await report(1);
    expect(await done(app, () => app.get(thing))).toMatchObject({ body: { version: 1 } });
    await report(2);
    const refused = { status: "rejected", body: { code: 409, message: "Version conflict" } };
    expect(await desire(3)).toMatchObject(refused);
    expect(await done(app, () => app.get(thing))).toMatchObject({ body: { version: 2 } });
    expect(await desire(3)).toMatchObject({ status: "accepted", body: { version: 3 } });
  });

  test("a deleted shadow can be made again with the version that the client remembers", async () => {
    const thing = newThing();
    const client = await connect(thing, thing);
    const update = () => done(client, () => client.update(thing, { state: { reported: { a: 1 } } }));
    await update();
    await update();
    expect(await done(client, () => client.delete(thing))).toMatchObject({ status: "accepted", body: { version: 2 } });
    expect(await done(client, () => client.get(thing))).toMatchObject({ status: "rejected", body: { code: 404 } });
    expect(await update()).toMatchObject({ status: "accepted", body: { version: 3 } });
  });
});
