import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FramingProblem, PacketReader } from "./packet-reader.ts";

const limit = 400;

describe("the packet reader", () => {
  test("gives the same packets however the bytes are cut into chunks, and however often it is held", () => {
    const body = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(
        fc.array(body, { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
        fc.infiniteStream(fc.boolean()),
        (bodies, sizes, holds) => {
          const packets = bodies.map(aPacket);
          const { reader, got } = aReader(() => {
            if (holds.next().value) reader.hold();
          });
          const bytes = Buffer.concat(packets);
          for (let at = 0; at < bytes.length; ) {
            const size = sizes.next().value as number;
            reader.push(bytes.subarray(at, at + size));
            at += size;
            if (holds.next().value) reader.release();
          }
          while (reader.held) reader.release();
          expect(got).toEqual(packets.map((packet) => packet.toString("hex")));
        },
      ),
    );
  });

  test("a packet over the limit is refused by its header, without its content", () => {
    const { reader, got, problems } = aReader();
    reader.push(aPacket(new Uint8Array(10)));
    reader.push(Buffer.from([0x30, 0x8d, 0x03]));
    expect(problems).toEqual([]); // 397 and the header: just the limit
    const second = aReader();
    second.reader.push(Buffer.from([0x30, 0x8e]));
    expect(second.problems).toEqual([]);
    second.reader.push(Buffer.from([0x03]));
    expect(second.problems).toEqual(["packet too large"]);
    second.reader.push(aPacket(new Uint8Array(1)));
    expect([got.length, second.got.length]).toEqual([1, 0]);
  });

  test("a length of five bytes is malformed", () => {
    const { reader, problems } = aReader();
    reader.push(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]));
    expect(problems).toEqual(["malformed packet"]);
  });
});

function aReader(onPacket: () => void = () => {}) {
  const got: string[] = [];
  const problems: FramingProblem[] = [];
  const reader = new PacketReader(
    limit,
    (data, start, body, end) => {
      expect(body).toBeGreaterThan(start);
      got.push(data.subarray(start, end).toString("hex"));
      onPacket();
    },
    (problem) => problems.push(problem),
  );
  return { reader, got, problems };
}

function aPacket(body: Uint8Array): Buffer {
  const length = body.length < 128 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >> 7];
  return Buffer.concat([Buffer.from([0x30, ...length]), body]);
}
