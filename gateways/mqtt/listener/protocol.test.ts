import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { PublishOutcome } from "../broker-port.ts";
import { type Raw, serve } from "./testing.ts";

// Packets by hand, in hex: fixed header, length, content.
const connect4 = "10 0f 0004 4d515454 04 02 000a 0003 616263"; // "abc", clean, keep-alive 10 s
const connect4kept = "10 0f 0004 4d515454 04 00 0000 0003 616263";
const connect5 = "10 10 0004 4d515454 05 02 000a 00 0003 616263";
const accepted4 = "20020000";
const accept = { kind: "accept" } as const;

describe("a connection", () => {
  test.each([
    ["no CONNECT first", "c0 00", "protocol error"],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n").toString("hex"), "protocol error"],
    ["a CONNECT with its reserved flag", "10 0f 0004 4d515454 04 03 000a 0003 616263", "malformed packet"],
    ["a client id that is no UTF-8", "10 0f 0004 4d515454 04 02 000a 0003 61ff63", "bad utf-8"],
    ["a client id with a null character", "10 0f 0004 4d515454 04 02 000a 0003 610063", "bad utf-8"],
    ["a packet over the limit", "10 ffff7f", "packet too large"],
  ])("that begins with %s is closed and counted", async (_what, bytes, reason) => {
    const { raw, told } = await serve();
    const socket = await raw();
    socket.write(bytes);
    expect(await socket.rest()).toBe("");
    expect(told).toEqual([`violation -: ${reason}`]);
  });

  test.each([
    ["a second CONNECT", connect4, "protocol error"],
    ["a topic that is no UTF-8", "30 05 0002 c328 78", "bad utf-8"],
    ["a surrogate in a topic", "30 06 0003 eda080 78", "bad utf-8"],
    ["a null character in a topic", "30 05 0002 6100 78", "bad topic"],
    ["a wildcard in a topic", "30 05 0002 612b 78", "bad topic"],
    ["an empty topic", "30 03 0000 78", "bad topic"],
    ["QoS 3", "36 06 0001 61 0001 78", "malformed packet"],
    ["packet id 0", "32 06 0001 61 0000 78", "malformed packet"],
    ["a topic longer than the packet", "30 03 00ff 61", "malformed packet"],
    ["a SUBSCRIBE without filters", "82 02 0001", "protocol error"],
    ["a SUBSCRIBE with bad flags", "80 06 0001 0001 61 00", "malformed packet"],
    ["a SUBSCRIBE to bad UTF-8", "82 06 0001 0001 ff 00", "bad utf-8"],
    ["an UNSUBSCRIBE without filters", "a2 02 0001", "protocol error"],
    ["a packet that only servers send", "d0 00", "protocol error"],
    ["AUTH in version 3.1.1", "f0 00", "malformed packet"],
    ["a length of five bytes", "30 ffffffff7f", "malformed packet"],
    ["a packet over the limit", "30 ffff7f", "packet too large"],
  ])("that goes on with %s is closed and counted, and its will is sent", async (_what, bytes, reason) => {
    const { raw, told, heard } = await serve();
    const socket = await raw();
    socket.write("10 15 0004 4d515454 04 06 000a 0003 616263 0001 77 0001 78");
    expect(await socket.read(4)).toBe(accepted4);
    socket.write(bytes);
    expect(await socket.rest()).toBe("");
    await heard("will abc w x");
    expect(told).toEqual([
      "connected abc",
      `violation abc: ${reason}`,
      `disconnected abc: protocol violation: ${reason}`,
      "will abc w x",
    ]);
  });

  test.each([
    ["a topic alias, of which we allow none", "30 07 0001 61 03 230001", "94"],
    ["an empty topic", "30 03 0000 00", "90"],
    ["a property twice", "30 0e 0001 61 0a 03 0001 78 03 0001 79 0000", "81"],
    ["a subscription identifier from a client", "30 06 0001 61 02 0b01", "82"],
    ["AUTH that was not agreed on", "f0 02 18 00", "82"],
    ["a malformed packet", "30 03 00ff 61", "81"],
    ["a packet over the limit", "30 ffff7f", "95"],
  ])("of MQTT 5 is told why it ends: %s", async (_what, bytes, code) => {
    const { raw } = await serve();
    const socket = await accepted5(await raw());
    socket.write(bytes);
    expect(await socket.rest()).toMatch(new RegExp(`^e002${code}00$`));
  });

  test.each([
    ["an unknown protocol version", "10 0f 0004 4d515454 07 02 000a 0003 616263", "20020001"],
    ["version 3.1.1 under 3.1's name", "10 11 0006 4d514973 6470 04 02 000a 0003 616263", "20020001"],
    ["an empty client id with a session", "10 0c 0004 4d515454 04 00 000a 0000", "20020002"],
    ["an empty client id in version 3.1", "10 0e 0006 4d514973 6470 03 02 000a 0000", "20020002"],
    ["a will to a wildcard", "10 15 0004 4d515454 04 06 000a 0003 616263 0001 23 0001 78", "20020005"],
  ])("is refused with a code: %s", async (_what, bytes, answer) => {
    const { raw, told } = await serve();
    const socket = await raw();
    socket.write(bytes);
    expect(await socket.rest()).toBe(answer);
    expect(told).not.toContain("connected abc");
  });

  test.each([
    ["badCredentials", "20020004", "86"],
    ["notAuthorized", "20020005", "87"],
    ["badClientId", "20020002", "85"],
  ] as const)("is refused by the application: %s", async (code, answer, reasonCode) => {
    const authenticate = async () => ({ kind: "refuse" as const, code, reason: "no" });
    const { raw } = await serve({ application: { authenticate } });
    const old = await raw();
    old.write(connect4);
    expect(await old.rest()).toBe(answer);
    const five = await raw();
    five.write(connect5);
    expect(await five.rest()).toBe(`200800${reasonCode}051f00026e6f`); // with its reason string
  });

  test("that fails to be authenticated for no fault of its own may come again later", async () => {
    const { raw, told } = await serve({ application: { authenticate: () => Promise.reject(new Error("down")) } });
    const socket = await raw();
    socket.write(connect4);
    expect(await socket.rest()).toBe("20020003");
    expect(told).toEqual(["warned: authenticating a client failed"]);
  });

  test("with an empty client id is given one, and told so in MQTT 5", async () => {
    const { raw, told } = await serve();
    const socket = await raw();
    socket.write("10 0d 0004 4d515454 05 02 000a 00 0000");
    const [header, length] = [await socket.read(1), Number.parseInt(await socket.read(1), 16)];
    const assigned = Buffer.from("auto-").toString("hex");
    expect([header, await socket.read(length)]).toEqual(["20", expect.stringContaining(`120029${assigned}`)]);
    expect(told).toEqual([expect.stringMatching(/^connected auto-/)]);
  });

  test("without a CONNECT in time is closed", async () => {
    const { raw, clock } = await serve();
    const socket = await raw();
    await served(socket);
    clock.ms += 10_001;
    expect(await socket.rest()).toBe("");
  });

  test("that is silent for one and a half keep-alive times is ended; a ping keeps it", async () => {
    const { raw, clock, told } = await serve();
    const socket = await accepted4to(await raw());
    for (let i = 0; i < 4; i++) {
      clock.ms += 9_000;
      socket.write("c0 00");
      expect(await socket.read(4 - 2)).toBe("d000");
    }
    expect(told).toEqual(["connected abc"]);
    while (told.length === 1) {
      clock.ms += 15_001;
      await turn();
    }
    expect(told.slice(1)).toEqual(["disconnected abc: keep-alive elapsed"]);
    expect(await socket.rest()).toBe("");
  });
});

describe("what a client publishes", () => {
  test("is acknowledged when the application has decided, in the order in which it came", async () => {
    const { raw, waiting, heard } = await serve({ decide: "later" });
    const socket = await accepted4to(await raw());
    socket.write("32 06 0001 61 0001 78  34 06 0001 61 0002 78  30 04 0001 61 78  32 06 0001 61 0003 7a");
    await heard("published abc a z");
    for (const { done } of waiting.toReversed()) done(accept);
    expect(await socket.read(12)).toBe("40020001" + "50020002" + "40020003");
  });

  test("and was decided in one tick is acknowledged in one write", async () => {
    const { raw, waiting, heard } = await serve({ decide: "later" });
    const socket = await accepted4to(await raw());
    const many = Array.from({ length: 50 }, (_, i) => `32 06 0001 61 00${(i + 1).toString(16).padStart(2, "0")} 78`);
    socket.write(`${many.join("")} 32 06 0001 61 0040 7a`);
    await heard("published abc a z");
    const chunks: number[] = [];
    socket.socket.on("data", (chunk: Buffer) => chunks.push(chunk.length));
    for (const { done } of waiting) done(accept);
    await socket.read(51 * 4);
    expect(chunks).toEqual([51 * 4]);
  });

  test("and is refused is acknowledged to MQTT 3.1.1, and with the reason to MQTT 5", async () => {
    const refuse: PublishOutcome = { kind: "refuse", reasonCode: 0x87, reason: "no" };
    const { raw } = await serve({ decide: () => refuse });
    const old = await accepted4to(await raw());
    old.write("32 06 0001 61 0001 78 34 06 0001 61 0002 78");
    expect(await old.read(8)).toBe("40020001" + "50020002");
    const five = await accepted5(await raw());
    five.write("32 07 0001 61 0001 00 78 34 07 0001 61 0002 00 78");
    expect(await five.read(22)).toBe("4009000187051f00026e6f" + "5009000287051f00026e6f");
  });

  test("and comes again with QoS 2 is handed on once, until its PUBREL, over reconnects too", async () => {
    const { raw, waiting, heard, told } = await serve({ decide: "later" });
    const publish = "34 06 0001 61 0007 78";
    const first = await accepted4to(await raw(), connect4kept);
    first.write(publish);
    await heard("published abc a x");
    first.socket.destroy();
    await heard("disconnected abc: socket closed");
    const second = await raw();
    second.write(`${connect4kept} 3c 06 0001 61 0007 78`);
    expect(await second.read(4)).toBe("20020100");
    waiting[0]!.done(accept); // decided only now
    expect(await second.read(4)).toBe("50020007");
    second.write(publish);
    expect(await second.read(4)).toBe("50020007");
    second.write("62 02 0007");
    expect(await second.read(4)).toBe("70020007");
    expect(told.filter((line) => line.startsWith("published"))).toHaveLength(1);
    second.write(publish);
    await until(() => waiting.length === 2);
  });

  test("and is retained is acknowledged only when it is saved", async () => {
    const saved = Promise.withResolvers<void>();
    const { raw } = await serve({ retained: { load: async () => [], save: () => saved.promise } });
    const socket = await accepted4to(await raw());
    socket.write("33 06 0001 61 0001 78 c0 00");
    expect(await socket.read(2)).toBe("d000"); // no PUBACK before it
    saved.resolve();
    expect(await socket.read(4)).toBe("40020001");
  });

  test("and is retained but cannot be saved is not acknowledged: the client is to come again", async () => {
    const save = () => Promise.reject(new Error("down"));
    const { raw, told } = await serve({ retained: { load: async () => [], save } });
    const socket = await accepted4to(await raw());
    socket.write("33 06 0001 61 0001 78");
    expect(await socket.rest()).toBe("");
    expect(told).toContain("disconnected abc: a retained message could not be saved");
  });

  test("far ahead of the decisions is not read any further", async () => {
    const { raw, waiting, told } = await serve({ decide: "later", maxUndecided: 10 });
    const socket = await accepted4to(await raw());
    const publish = (id: number) => `32 06 0001 61 00${id.toString(16).padStart(2, "0")} 78`;
    for (let id = 1; id <= 30; id++) socket.write(publish(id));
    await until(() => waiting.length === 10);
    await turns(20);
    expect(waiting).toHaveLength(10);
    for (let decided = 0; decided < 30; decided++) {
      await until(() => waiting.length > decided);
      waiting[decided]!.done(accept);
    }
    expect(await socket.read(120)).toMatch(/^40020001.*4002001e$/);
    expect(told.filter((line) => line.startsWith("published"))).toHaveLength(30);
  });

  test("beyond the receive maximum with QoS 2 ends an MQTT 5 connection", async () => {
    const { raw } = await serve({ receiveMaximum: 2 });
    const socket = await accepted5(await raw());
    socket.write("34 07 0001 61 0001 00 78 34 07 0001 61 0002 00 78 34 07 0001 61 0003 00 78");
    expect(await socket.rest()).toBe("50020001" + "50020002" + "e0029300");
  });

  test("is nobody's business when it is a will on a reserved topic", async () => {
    const { raw, heard, told } = await serve();
    const will = Buffer.from("$aws/x").toString("hex");
    const socket = await accepted4to(await raw(), `10 1a 0004 4d515454 04 06 000a 0003 616263 0006 ${will} 0001 78`);
    socket.socket.destroy();
    await heard(/^disconnected/);
    expect(told).toEqual(["connected abc", "disconnected abc: socket closed"]);
  });
});

describe("a subscription", () => {
  test("is refused with a code where it may not be", async () => {
    const { raw } = await serve();
    const filters = ["ok", "secret/x", "a/#/b", "$share/g/a"].map(
      (filter) => `00${filter.length.toString(16).padStart(2, "0")} ${Buffer.from(filter).toString("hex")} 01`,
    );
    const old = await accepted4to(await raw());
    old.write(`82 27 0001 ${filters.join("")}`);
    expect(await old.read(8)).toBe("900600010180" + "8080");
    const five = await accepted5(await raw());
    five.write(`82 28 0001 00 ${filters.join("")}`);
    expect(await five.read(9)).toBe("9007000100" + "01878f9e");
  });

  test("that overlaps another delivers once, at the higher QoS, with both identifiers", async () => {
    const { raw, listener, heard } = await serve();
    const socket = await accepted5(await raw());
    socket.write("82 09 0001 02 0b01 0001 61 00  82 09 0002 02 0b02 0001 23 01");
    await heard("subscribed abc #");
    await socket.read(12);
    expect(listener.broker.publish({ topic: "a", payload: "x", qos: 2 })).toBe(1);
    expect(await socket.read(13)).toMatch(/^320b000161000104(0b010b02|0b020b01)78$/);
  });

  test("with No Local does not hear its own client", async () => {
    const { raw, heard, listener } = await serve();
    const socket = await accepted5(await raw());
    socket.write("82 07 0001 00 0001 61 04 30 05 0001 61 00 78");
    await heard("published abc a x");
    listener.broker.publish({ topic: "a", payload: "y", qos: 0, from: { clientId: "other" } });
    expect(await socket.read(13)).toBe("900400010000" + "3005000161" + "0079");
  });

  test("gets retained messages as its retain handling says", async () => {
    const { raw, listener } = await serve();
    listener.broker.publish({ topic: "a", payload: "x", qos: 1, retain: true });
    const socket = await accepted5(await raw());
    const suback = (id: number) => `9004000${id}0000`;
    const retained = "310500016100" + "78";
    socket.write("82 07 0001 00 0001 61 20"); // never
    expect(await socket.read(6)).toBe(suback(1));
    socket.write("82 07 0002 00 0001 61 10"); // only if it is new
    expect(await socket.read(6)).toBe(suback(2));
    socket.write("82 07 0003 00 0001 61 00"); // always
    expect(await socket.read(13)).toBe(suback(3) + retained);
    listener.broker.publish({ topic: "a", payload: "y", qos: 0, retain: true });
    expect(await socket.read(7)).toBe("30050001610079"); // not retained: it comes as it happens
    socket.write("82 07 0004 00 0001 61 28"); // never, retain as published
    expect(await socket.read(6)).toBe(suback(4));
    listener.broker.publish({ topic: "a", payload: "z", qos: 0, retain: true });
    expect(await socket.read(7)).toBe("3105000161007a");
  });

  test("that is given up gets nothing more", async () => {
    const { raw, listener } = await serve();
    const socket = await accepted5(await raw());
    socket.write("82 07 0001 00 0001 61 00  a2 09 0002 00 0001 61 0001 62");
    expect(await socket.read(13)).toBe("900400010000" + "b00500020000" + "11");
    expect(listener.broker.publish({ topic: "a", payload: "x", qos: 0 })).toBe(0);
    expect(listener.counts().subscriptions).toBe(0);
  });
});

async function accepted4to(socket: Raw, packet = connect4): Promise<Raw> {
  socket.write(packet);
  expect(await socket.read(4)).toBe(accepted4);
  return socket;
}

async function accepted5(socket: Raw): Promise<Raw> {
  socket.write(connect5);
  const length = Number.parseInt((await socket.read(2)).slice(2), 16);
  expect(await socket.read(2)).toBe("0000");
  await socket.read(length - 2);
  return socket;
}

/** Until the server has seen the connection. */
async function served(_socket: Raw): Promise<void> {
  await turns(20);
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}
