import fc from "fast-check";
import { generate, type IPublishPacket } from "mqtt-packet";
import { expect, test } from "vitest";
import { decodePacket } from "./packet-decoder.ts";
import { PublishDecoder } from "./publish-decoder.ts";
import { encodePublish } from "./publish-encoder.ts";
import { topicProblem } from "./topic-filter.ts";

const anyTopic = fc.oneof(fc.constantFrom("a", "devices/pump-4/telemetry", "ä/😀"), fc.string({ minLength: 1 }));

test("a PUBLISH decodes as mqtt-packet decodes it, whole and with any byte changed", () => {
  const change = fc.option(fc.tuple(fc.nat(), fc.nat(255)));
  fc.assert(
    fc.property(
      fc.constantFrom(4 as const, 5 as const),
      fc.array(fc.tuple(anyPublish(), change)),
      (version, publishes) => {
        const decoder = new PublishDecoder(version); // one for all, as it remembers the last topic
        for (const [publish, changed] of publishes) {
          const bytes = generate(publish, { protocolVersion: version });
          const body = bodyOf(bytes);
          // Beyond the fixed header, whose length another part has checked; its flags included.
          if (changed !== null) {
            const at = changed[0] % (bytes.length - body + 1);
            if (at === 0) bytes[0] = 0x30 | (changed[1] & 0x0f);
            else bytes[body + at - 1] = changed[1];
          }
          const fast = decoder.decode(bytes, 0, body, bytes.length);
          const general = decodePacket(bytes, version);
          if (fast === "slow") continue;
          if (typeof fast === "string") {
            const refused =
              general.kind === "problem" ||
              isRefusedAfterwards(general.packet as IPublishPacket, version, bytes.length - body);
            expect([fast, refused]).toEqual([fast, true]);
          } else {
            expect(general.kind).toBe("packet");
            const packet = (general as { packet: object }).packet as { messageId?: number };
            const { topic, payload, qos, retain, packetId } = fast;
            expect({ topic, payload, qos, retain }).toMatchObject(pick(packet as never));
            expect(packetId).toBe(packet.messageId ?? 0);
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("a PUBLISH is encoded as mqtt-packet encodes it", () => {
  fc.assert(
    fc.property(fc.constantFrom(4 as const, 5 as const), anyPublish(), (protocolVersion, publish) => {
      const { topic, payload, qos, retain, dup, messageId } = publish;
      const delivery = {
        message: { topic, payload, properties: null, expiresAtMs: null },
        qos,
        retain,
        identifiers: null,
      };
      const bytes = encodePublish(delivery, { protocolVersion, packetId: messageId, dup, nowMs: 0 });
      expect(bytes.toString("hex")).toBe(generate(publish, { protocolVersion }).toString("hex"));
    }),
  );
});

test("MQTT 5 properties reach the subscriber, and what is left of the message's life", () => {
  const properties = { contentType: "text/plain", responseTopic: "r", correlationData: Uint8Array.of(1, 2) };
  const message = { topic: "t", payload: Buffer.from("x"), properties, expiresAtMs: 10_500 };
  const delivery = { message, qos: 1 as const, retain: false, identifiers: [3, 4] };
  const bytes = encodePublish(delivery, { protocolVersion: 5, packetId: 7, dup: false, nowMs: 8_000 });
  const decoded = bytes.toString("latin1");
  for (const part of ["text/plain", "\x08\0\x01r", "\x09\0\x02\x01\x02", "\x0b\x03\x0b\x04", "\x02\0\0\0\x03"]) {
    expect(decoded).toContain(part);
  }
});

function anyPublish() {
  return fc.record({
    cmd: fc.constant("publish" as const),
    topic: anyTopic,
    payload: fc
      .oneof(fc.uint8Array(), fc.uint8Array({ minLength: 120, maxLength: 300 }))
      .map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    retain: fc.boolean(),
    dup: fc.boolean(),
    messageId: fc.integer({ min: 1, max: 0xffff }),
  });
}

/** By others: a bad topic, and a PUBLISH of MQTT 5 without a property length, which mqtt-packet lets through. */
function isRefusedAfterwards({ topic, qos }: IPublishPacket, version: 4 | 5, length: number): boolean {
  const noProperties = version === 5 && length === 2 + Buffer.byteLength(topic) + (qos > 0 ? 2 : 0);
  return noProperties || topicProblem(topic) !== null;
}

function bodyOf(bytes: Buffer): number {
  let at = 1;
  while (bytes[at]! >= 0x80) at++;
  return at + 1;
}

function pick({ topic, payload, qos, retain }: Record<string, unknown>) {
  return { topic, payload, qos, retain };
}
