import { once } from "node:events";
import { connect } from "node:net";
import fc from "fast-check";
import { generate, type Packet } from "mqtt-packet";
import { expect, test } from "vitest";
import { serve } from "./testing.ts";

const packets = Number(process.env.DOPPEL_FUZZ_PACKETS ?? 20_000);
const seed = Number(process.env.DOPPEL_FUZZ_SEED ?? 4);
const perConnection = 5;

test(`${packets} broken packets end the connections they came on and nobody else's (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  const { client, listener, told } = await serve({ maxPacketBytes: 64 * 1024 });
  const bystander = await client({ clientId: "bystander" });
  const conversations = fc.sample(anyConversation(), { numRuns: Math.ceil(packets / perConnection), seed });
  for (const [i, conversation] of conversations.entries()) {
    await send(listener.port, conversation);
    if (i % 50 === 0) await bystander.publishAsync("t", `${i}`, { qos: 2 });
  }
  await bystander.publishAsync("t", "still served", { qos: 1 });
  expect(told).not.toContainEqual(expect.stringContaining("disconnected bystander"));
  // That it was worth it: every kind of violation, and enough that got through to the application.
  for (const reason of ["malformed packet", "bad utf-8", "bad topic", "topic alias", "protocol error"]) {
    expect(told).toContainEqual(expect.stringMatching(new RegExp(`^violation .*: ${reason}$`)));
  }
  expect(told.filter((line) => /^(published|will) [abc] /.test(line)).length).toBeGreaterThan(packets / 10);
  await bystander.endAsync();
  expect(listener.broker.connections()).toBe(0);
});

/** Writes them all and waits until the other side has closed. */
async function send(port: number, conversation: readonly Uint8Array[]): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.resume();
  for (const packet of conversation) socket.write(packet);
  socket.end();
  await once(socket, "close");
}

/** Most conversations begin with a CONNECT that is accepted. */
function anyConversation(): fc.Arbitrary<Uint8Array[]> {
  return fc.constantFrom(4 as const, 5 as const).chain((protocolVersion) => {
    const accepted = fc
      .record({ clientId: fc.constantFrom("a", "b", "c"), clean: fc.boolean(), will: fc.option(anyWill()) })
      .map(({ will, ...options }) => {
        const packet = { cmd: "connect", protocolId: "MQTT", protocolVersion, keepalive: 5, ...options } as const;
        return generate(will === null ? packet : { ...packet, will });
      });
    const any = anyBytes(protocolVersion);
    const first = fc.oneof({ weight: 6, arbitrary: accepted }, { weight: 1, arbitrary: any });
    const following = fc.array(any, { minLength: perConnection - 1, maxLength: perConnection - 1 });
    return fc.tuple(first, following).map(([one, others]) => [one, ...others]);
  });
}

/** A packet, whole or with bytes changed or cut off, or no packet at all. */
function anyBytes(protocolVersion: 4 | 5): fc.Arbitrary<Uint8Array> {
  const whole = anyPacket().map((packet) => generate(packet, { protocolVersion }));
  const changed = fc
    .tuple(whole, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 3 }))
    .map(([bytes, changes]) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) copy[at % copy.length] = value;
      return copy;
    });
  const cut = fc.tuple(whole, fc.nat(60)).map(([bytes, at]) => bytes.subarray(0, at));
  return fc.oneof(
    { weight: 8, arbitrary: whole },
    { weight: 4, arbitrary: changed },
    { weight: 1, arbitrary: cut },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  );
}

const good = fc.constantFrom("a", "a/b", "\uFFFD", "ä/😀", "x".repeat(300), "$aws/things/a");
const bad = fc.constantFrom("", "$share/g/a", "#", "+/b", "a/#/b", "\0");
const text = fc.oneof({ weight: 12, arbitrary: good }, { weight: 1, arbitrary: bad });
const payload = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);

function anyWill() {
  return fc.record({ topic: good, payload, qos, retain: fc.boolean() });
}

function anyPacket(): fc.Arbitrary<Packet> {
  const messageId = fc.integer({ min: 1, max: 5 });
  const properties = fc.record(
    {
      contentType: text,
      responseTopic: text,
      topicAlias: fc.nat(3),
      messageExpiryInterval: fc.nat(2),
      userProperties: fc.dictionary(fc.constantFrom("k", "l"), fc.constantFrom("v", "w")),
    },
    { requiredKeys: [] },
  );
  const publish = fc.record({
    cmd: fc.constant("publish" as const),
    topic: text,
    payload,
    qos,
    retain: fc.boolean(),
    dup: fc.boolean(),
    messageId,
    properties: fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: properties }),
  });
  const subscription = fc.record({ topic: text, qos, nl: fc.boolean(), rap: fc.boolean(), rh: fc.nat(2) });
  const subscribe = fc.record({
    cmd: fc.constant("subscribe" as const),
    messageId,
    subscriptions: fc.array(subscription, { minLength: 1, maxLength: 4 }),
  });
  const unsubscribe = fc.record({
    cmd: fc.constant("unsubscribe" as const),
    messageId,
    unsubscriptions: fc.array(text, { minLength: 1, maxLength: 4 }),
  });
  const confirmation = fc.record({
    cmd: fc.constantFrom("puback" as const, "pubrec" as const, "pubrel" as const, "pubcomp" as const),
    messageId,
    reasonCode: fc.constant(0),
  });
  return fc.oneof(
    { weight: 12, arbitrary: publish },
    { weight: 4, arbitrary: subscribe },
    { weight: 2, arbitrary: unsubscribe },
    { weight: 4, arbitrary: confirmation },
    { weight: 2, arbitrary: fc.constantFrom({ cmd: "pingreq" as const }, { cmd: "pingresp" as const }) },
    { weight: 1, arbitrary: fc.constant({ cmd: "disconnect" as const, reasonCode: 0 }) },
  );
}
