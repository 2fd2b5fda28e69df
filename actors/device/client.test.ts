import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Reply, TwinInput } from "../../core/device/inputs.ts";
import { openTwinClient, type TwinClient, TwinUnavailable } from "./client.ts";
import { decodeTurns, encodeAnswer, type NamedTurn, type TurnsAnswer } from "./turns-wire.ts";

type Call = {
  readonly device: string;
  readonly turns: NamedTurn[];
  answer(answer: TurnsAnswer): void;
  fail(error: Error): void;
};

let calls: Call[] = [];
let client: TwinClient;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
  calls = [];
  client = openTwinClient({
    call: (device, body) =>
      new Promise((resolve, fail) => {
        const turns = decodeTurns(Buffer.from(body));
        calls.push({ device, turns, answer: (answer) => resolve(encodeAnswer(answer)), fail });
      }),
    callerId: "g1",
    now: Date.now,
    random: () => 0.5,
    batchMs: 5,
    maxBatch: 3,
    concurrency: 2,
    timeoutMs: 1_000,
    giveUpMs: 10_000,
  });
});
afterEach(() => {
  vi.useRealTimers();
});

const heartbeat: TwinInput = { kind: "heartbeat", session: null };
const telemetry = (text: string): TwinInput => ({
  kind: "telemetry",
  topic: "devices/pump-4/telemetry",
  payload: Buffer.from(text),
  session: null,
});
const done: Reply = { kind: "done" };
const replies = (...all: Reply[]): TurnsAnswer => ({ kind: "replies", replies: all });
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test("inputs of one device that come together go as one call, in their order, and each has its own reply", async () => {
  const heard: string[] = [];
  client.deliver("pump-4", telemetry('{"a":1}'), (reply) => heard.push(`a ${reply.kind}`));
  client.deliver("pump-4", telemetry('{"b":1}'), (reply) => heard.push(`b ${reply.kind}`));
  expect(calls).toHaveLength(0);
  await pass(5);
  expect(calls).toHaveLength(1);
  expect(calls[0]!.turns.map(({ input }) => (input.kind === "telemetry" ? String(input.payload) : ""))).toEqual([
    '{"a":1}',
    '{"b":1}',
  ]);
  calls[0]!.answer(replies({ kind: "unknownDevice" }, done));
  await pass(0);
  expect(heard).toEqual(["a unknownDevice", "b done"]);
  expect(client.stats()).toMatchObject({ waiting: 0, calls: 1, turns: 2, retries: 0 });
});

test("a device has one call under way at a time, and a batch has a bound", async () => {
  for (let count = 0; count < 4; count += 1) client.deliver("pump-4", heartbeat, () => {});
  await pass(5);
  expect(calls.map(({ turns }) => turns.length)).toEqual([3]);
  client.deliver("pump-4", heartbeat, () => {});
  await pass(50);
  expect(calls).toHaveLength(1);
  calls[0]!.answer(replies(done, done, done));
  await pass(5);
  expect(calls.map(({ turns }) => turns.length)).toEqual([3, 2]);
});

test("no more calls are under way than allowed, and the others follow", async () => {
  for (const device of ["a", "b", "c"]) client.deliver(device, heartbeat, () => {});
  await pass(5);
  expect(calls.map(({ device }) => device)).toEqual(["a", "b"]);
  calls[1]!.answer(replies(done));
  await pass(1);
  expect(calls.map(({ device }) => device)).toEqual(["a", "b", "c"]);
});

test("a call that failed comes again with the same names, before what came later, until it is answered", async () => {
  const answered: string[] = [];
  client.deliver("pump-4", heartbeat, () => answered.push("first"));
  await pass(5);
  client.deliver("pump-4", heartbeat, () => answered.push("second"));
  calls[0]!.fail(new Error("connection reset"));
  await pass(1_000);
  const [first, second] = [calls[0]!.turns, calls[1]!.turns].map((turns) => turns.map(({ turn }) => turn));
  expect(second).toEqual([...first!, expect.any(String)]);
  calls[1]!.answer({ kind: "again", why: "stale", detail: "another host has written" });
  await pass(60_000);
  expect(client.stats()).toMatchObject({ retries: 2, trouble: "another host has written" });
  calls[2]!.answer(replies(done, done));
  await pass(0);
  expect(answered).toEqual(["first", "second"]);
  expect(client.stats().trouble).toBeNull();
});

test("a question is given up in the end, and says that it may have been done; a message never is", async () => {
  const failure = client.ask("pump-4", { kind: "read" }).catch((error: unknown) => error);
  let delivered = false;
  client.deliver("pump-5", heartbeat, () => {
    delivered = true;
  });
  for (let ms = 0; ms < 12_000; ms += 500) {
    await pass(500);
    for (const call of calls.splice(0)) call.fail(new Error("no host"));
  }
  expect(await failure).toBeInstanceOf(TwinUnavailable);
  expect(await failure).toMatchObject({ code: "TWIN_UNAVAILABLE", retry: "later" });
  await pass(2_000);
  calls.find(({ device }) => device === "pump-5")!.answer(replies(done));
  await pass(0);
  expect(delivered).toBe(true);
});

test("what the broker delivers again is named so, and payloads of any bytes arrive as they were", async () => {
  const bytes = Uint8Array.of(0xff, 0, 0x7b);
  client.deliver("pump-4", { ...telemetry(""), payload: bytes } as TwinInput, () => {}, {
    redelivered: true,
    digest: 7,
  });
  const request = { kind: "update" as const, payload: Buffer.from("\u{feff}{}"), ifVersion: 3 };
  client.deliver("pump-4", { kind: "shadow", shadow: "", request, by: "app", session: null }, () => {});
  await pass(5);
  const [first, second] = calls[0]!.turns;
  expect(first).toMatchObject({ redelivered: true, digest: 7 });
  expect(new Uint8Array((first!.input as { payload: Uint8Array }).payload)).toEqual(bytes);
  expect(second!.input).toEqual({ kind: "shadow", shadow: "", request, by: "app", session: null });
});

test("closing waits for the calls under way and answers nothing that was not asked", async () => {
  let answered = 0;
  client.deliver("a", heartbeat, () => (answered += 1));
  await pass(5);
  client.deliver("b", heartbeat, () => (answered += 1));
  const closed = client.close();
  calls[0]!.answer(replies(done));
  await closed;
  await pass(1_000);
  expect([answered, calls.length]).toEqual([1, 1]);
});

test("a burst that comes slowly goes as one call, and nobody waits for its end for ever", async () => {
  const slow = openTwinClient({
    call: (device, body) =>
      new Promise((resolve, fail) => {
        const turns = decodeTurns(Buffer.from(body));
        calls.push({ device, turns, answer: (answer) => resolve(encodeAnswer(answer)), fail });
      }),
    callerId: "g2",
    now: Date.now,
    random: () => 0.5,
    batchMs: 4,
    maxBatch: 100,
    concurrency: 2,
    timeoutMs: 1_000,
    giveUpMs: 10_000,
  });
  for (let message = 0; message < 10; message += 1) {
    slow.deliver("pump-4", heartbeat, () => {});
    await pass(1);
  }
  await pass(8);
  expect(calls.map(({ turns }) => turns.length)).toEqual([10]);
  for (let message = 0; message < 100; message += 1) {
    slow.deliver("pump-5", heartbeat, () => {});
    await pass(1);
  }
  const [, first] = calls;
  expect(first!.turns.length).toBeLessThanOrEqual(21);
});
