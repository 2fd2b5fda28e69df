import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { generate, type Packet, parser } from "mqtt-packet";
import { expect, onTestFinished, test } from "vitest";
import type { IncomingPublish } from "../broker-port.ts";
import { BrokerLink, type LinkOptions } from "./broker-link.ts";

/** The broker's side of one connection, in the test's hands. */
class Broker {
  readonly got: Packet[] = [];
  readonly #server: Server;
  #socket: Socket | null = null;
  #wake: () => void = () => {};

  constructor() {
    this.#server = createServer((socket) => {
      this.#socket = socket;
      socket.setNoDelay(true);
      const packets = parser({ protocolVersion: 5 });
      packets.on("packet", (packet) => {
        this.got.push(packet);
        this.#wake();
      });
      socket.on("data", (chunk) => packets.parse(chunk));
      socket.on("error", () => {});
    });
    this.#server.listen(0, "127.0.0.1");
    onTestFinished(() => {
      this.#socket?.destroy();
      this.#server.close();
    });
  }

  async port(): Promise<number> {
    if (!this.#server.listening) await once(this.#server, "listening");
    return (this.#server.address() as { port: number }).port;
  }

  /** The next packet of the kind, from the beginning. */
  async expect<C extends Packet["cmd"]>(cmd: C, count = 1): Promise<Extract<Packet, { cmd: C }>[]> {
    for (;;) {
      const found = this.got.filter((packet) => packet.cmd === cmd);
      if (found.length >= count) return found as Extract<Packet, { cmd: C }>[];
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  send(...packets: (Packet | Buffer)[]): void {
    const bytes = packets.map((packet) =>
      Buffer.isBuffer(packet) ? packet : generate(packet, { protocolVersion: 5 }),
    );
    this.#socket!.write(Buffer.concat(bytes));
  }

  /** Accepts the client and grants what it subscribes. */
  async welcome(): Promise<void> {
    await this.expect("connect");
    this.send({ cmd: "connack", sessionPresent: false, reasonCode: 0 });
    const [subscribe] = await this.expect("subscribe");
    this.send({ cmd: "suback", messageId: subscribe!.messageId!, granted: subscribe!.subscriptions.map(() => 1) });
  }

  publish(messageId: number, more: Partial<Extract<Packet, { cmd: "publish" }>> = {}): void {
    const qos = messageId === 0 ? 0 : 1;
    const packet = {
      cmd: "publish",
      topic: "t",
      payload: `${messageId}`,
      qos,
      messageId,
      retain: false,
      dup: false,
    } as const;
    this.send({ ...packet, ...more });
  }

  drop(): void {
    this.#socket!.destroy();
  }
}

async function linked(options: Partial<LinkOptions> = {}) {
  const broker = new Broker();
  const taken: { message: IncomingPublish; done: () => void }[] = [];
  const unreadable: string[] = [];
  const clock = { ms: 1_000_000 };
  let wake: () => void = () => {};
  const link = new BrokerLink({
    url: `mqtt://127.0.0.1:${await broker.port()}`,
    username: "doppel",
    password: "secret",
    clientId: "doppel-1",
    sessionSeconds: 0,
    receiveMaximum: 10,
    maxPacketBytes: 1_000_000,
    keepAliveSeconds: 10,
    subscriptions: ["$share/doppel/t", "$share/doppel/u"],
    now: () => clock.ms,
    onMessage: (message, done) => {
      taken.push({ message, done });
      wake();
    },
    onUnreadable: (problem) => unreadable.push(problem),
    ...options,
  });
  onTestFinished(() => link.disconnect({ keepSession: false }));
  const takes = async (count: number) => {
    while (taken.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  return { broker, link, taken, takes, unreadable, clock };
}

test("a link says who it is, what it wants, and is ready when the broker has granted it", async () => {
  const { broker, link } = await linked();
  await broker.welcome();
  await link.ready;
  expect(link.open).toBe(true);
  expect(broker.got[0]).toMatchObject({
    clientId: "doppel-1",
    username: "doppel",
    password: Buffer.from("secret"),
    clean: true,
    properties: { sessionExpiryInterval: 0, receiveMaximum: 10, maximumPacketSize: 1_000_000 },
  });
  expect(broker.got[1]).toMatchObject({
    subscriptions: [
      { topic: "$share/doppel/t", qos: 1 },
      { topic: "$share/doppel/u", qos: 1 },
    ],
  });
});

test("a message is acknowledged when it is done, in whatever order that is", async () => {
  const { broker, taken, takes } = await linked();
  await broker.welcome();
  for (const id of [1, 2, 3]) broker.publish(id);
  await takes(3);
  taken[2]!.done();
  expect((await broker.expect("puback")).map(({ messageId }) => messageId)).toEqual([3]);
  taken[2]!.done(); // twice is once
  taken[0]!.done();
  taken[1]!.done();
  expect((await broker.expect("puback", 3)).map(({ messageId }) => messageId)).toEqual([3, 1, 2]);
});

test("a message that the broker delivers again says so, and properties come along", async () => {
  const { broker, taken, takes } = await linked();
  await broker.welcome();
  broker.publish(1, { dup: true });
  broker.publish(2, { dup: true, properties: { contentType: "application/json" } });
  broker.publish(3);
  await takes(3);
  expect(taken.map(({ message }) => message.redelivered)).toEqual([true, true, false]);
  expect(taken[1]!.message).toMatchObject({ topic: "t", properties: { contentType: "application/json" } });
});

test("no more are taken than may be under way, whatever the broker sends; the rest waits and is not lost", async () => {
  const { broker, link, taken, takes } = await linked({ receiveMaximum: 4 });
  await broker.welcome();
  for (let id = 1; id <= 50; id++) broker.publish(id % 2 === 0 ? id : 0, { payload: `${id}` });
  await takes(4);
  for (let i = 0; i < 20; i++) await turn();
  expect([taken.length, link.inFlight]).toEqual([4, 4]);
  for (let next = 0; next < 50; next++) {
    await takes(next + 1);
    expect(link.inFlight).toBeLessThanOrEqual(4);
    taken[next]!.done();
  }
  expect(taken.map(({ message }) => message.payload.toString())).toEqual(
    Array.from({ length: 50 }, (_, i) => `${i + 1}`),
  );
  expect(await broker.expect("puback", 25)).toHaveLength(25);
});

test("what is not text, or no topic, is acknowledged and counted: it would come again for ever", async () => {
  const { broker, takes, taken, unreadable } = await linked();
  await broker.welcome();
  broker.send(Buffer.from([0x32, 6, 0, 1, 0xff, 0, 7, 0]), Buffer.from([0x32, 6, 0, 1, 0x23, 0, 8, 0]));
  broker.publish(9);
  await takes(1);
  expect((await broker.expect("puback", 2)).map(({ messageId }) => messageId)).toEqual([7, 8]);
  expect(unreadable).toEqual(["bad utf-8", "bad topic"]);
  expect(taken[0]!.message.payload.toString()).toBe("9");
});

test("a late acknowledgement for a connection that is gone goes nowhere", async () => {
  const { broker, link, taken, takes } = await linked();
  await broker.welcome();
  broker.publish(1);
  await takes(1);
  broker.drop();
  expect((await link.ended)?.message).toMatch(/closed the connection|ECONNRESET/);
  taken[0]!.done();
  await turn();
  expect(link.inFlight).toBe(0);
});

test("leaving, a link takes no new messages, acknowledges what is under way and queued, and then says goodbye", async () => {
  const { broker, link, taken, takes } = await linked();
  await broker.welcome();
  broker.publish(1);
  await takes(1);
  const left = link.unsubscribe().then(() => link.drained());
  const [unsubscribe] = await broker.expect("unsubscribe");
  expect(unsubscribe).toMatchObject({ unsubscriptions: ["$share/doppel/t", "$share/doppel/u"] });
  broker.send({ cmd: "unsuback", messageId: unsubscribe!.messageId!, granted: [0, 0] });
  taken[0]!.done();
  await broker.expect("pingreq");
  expect((await broker.expect("puback")).length).toBe(1);
  broker.publish(2); // it was queued for us behind the first
  broker.send({ cmd: "pingresp" });
  await takes(2);
  taken[1]!.done();
  await broker.expect("pingreq", 2);
  broker.send({ cmd: "pingresp" });
  await left;
  link.disconnect({ keepSession: false });
  expect(await link.ended).toBeNull();
  expect((await broker.expect("disconnect"))[0]).toMatchObject({ reasonCode: 0 });
});

test("an idle link pings, and one that the broker has forgotten ends", async () => {
  const { broker, link, clock } = await linked();
  await broker.welcome();
  await link.ready;
  clock.ms += 5_000;
  link.tick();
  await broker.expect("pingreq");
  clock.ms += 10_001;
  link.tick();
  expect((await link.ended)?.message).toContain("has not been heard of for 15 s");
});

test.each([
  [135, "refuses the connection to doppel-1: not authorized (135)"],
  [134, "refuses the connection to doppel-1: bad user name or password (134)"],
])("a refusal %i is said in words", async (reasonCode, words) => {
  const { broker, link } = await linked();
  await broker.expect("connect");
  broker.send({ cmd: "connack", sessionPresent: false, reasonCode });
  await expect(link.ready).rejects.toThrow(words);
  expect((await link.ended)?.code).toBe("BROKER_LOST");
});

test("a subscription that is not granted ends the link, naming it", async () => {
  const { broker, link } = await linked();
  await broker.expect("connect");
  broker.send({ cmd: "connack", sessionPresent: false, reasonCode: 0 });
  await broker.expect("subscribe");
  broker.send({ cmd: "suback", messageId: 1, granted: [1, 135] });
  await expect(link.ready).rejects.toThrow("the subscription $share/doppel/u");
});

test("another client with our client id is named as the reason", async () => {
  const { broker, link } = await linked();
  await broker.welcome();
  broker.send({ cmd: "disconnect", reasonCode: 142 });
  expect((await link.ended)?.message).toContain("another client has our client id");
});
