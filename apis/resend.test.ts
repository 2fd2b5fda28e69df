import fc from "fast-check";
import { expect, test } from "vitest";
import type { TwinRecord } from "../core/device/records.ts";
import { memoryResends } from "../ports/resends/memory.ts";
import { abandonedMs } from "./resend.ts";
import { openTestApi, type TestApi } from "./testing.ts";

const startMs = 1_795_262_400_000;
const killed = new Error("killed");

/** The steps of a resend between which a process can die; after "settle" only its answer is lost. */
const faultPoints = [
  "before claim",
  "after claim",
  "before send",
  "after send",
  "before settle",
  "after settle",
] as const;
type FaultPoint = (typeof faultPoints)[number];

/** The API with ports that die at a point, once: what was done until then stays, what comes after does not happen. */
async function openFaultyApi(point: FaultPoint | null) {
  let nowMs = startMs;
  let armed = point;
  const die = (at: FaultPoint) => {
    if (at !== armed) return;
    armed = null;
    throw killed;
  };
  const resends = memoryResends();
  const api: TestApi = await openTestApi({
    now: () => nowMs,
    parts: {
      resends: {
        ...resends,
        async claim(...asked) {
          die("before claim");
          const answer = await resends.claim(...asked);
          die("after claim");
          return answer;
        },
        async settle(...settled) {
          die("before settle");
          const done = await resends.settle(...settled);
          die("after settle");
          return done;
        },
      },
    },
  });
  const ask = api.host.ask.bind(api.host);
  const accepted: TwinRecord[] = [];
  api.host.onCommitted((turns) => {
    for (const { records } of turns) accepted.push(...records.filter(({ kind }) => kind === "telemetry"));
  });
  (api.host as { ask: typeof ask }).ask = async (device, input) => {
    const isResend = input.kind === "telemetry" && input.again !== undefined;
    if (isResend) die("before send");
    const reply = await ask(device, input);
    if (isResend) die("after send");
    return reply;
  };
  const arm = (at: FaultPoint | null) => {
    armed = at;
  };
  return { api, accepted, arm, wait: (ms: number) => (nowMs += ms) };
}

const corrected = [
  ["without an identity", { readings: { latitude: 52 } }],
  ["with its own number", { seq: 7, boot: "b", readings: { latitude: 52 } }],
  ["of an array", [{ readings: { latitude: 52 } }]],
] as const;

test.each(faultPoints.flatMap((point) => corrected.map(([what, payload]) => [point, what, payload] as const)))(
  "killed %s, a message %s has its effect once when it is asked for again",
  async (point, _what, payload) => {
    const { api, accepted, wait } = await openFaultyApi(point);
    await api.json("POST", "/v1/devices/pump-4/telemetry", { readings: { latitude: 152 } });
    await api.project();
    const { id } = (await api.json("GET", "/v1/dead-letters")).body.items[0];
    const resend = (body?: unknown) => api.json("POST", `/v1/dead-letters/${id}/resend`, body);
    expect((await resend({ payload })).status).toBeGreaterThanOrEqual(500);
    wait(abandonedMs + 1);
    const again = await resend({ payload });
    if (point === "after settle") expect(again.status).toBe(409);
    else expect([again.status, again.body.outcome.refused]).toEqual([200, 0]);
    expect((await resend({ payload })).status).toBe(409);
    expect(accepted).toHaveLength(1);
    expect((await api.json("GET", `/v1/dead-letters/${id}`)).body.resend).toMatchObject({ state: "sent" });
    await api.close();
  },
);

test("while nobody knows how a try ended, nobody sends it: not at once, and not with another payload", async () => {
  const { api, accepted, wait } = await openFaultyApi("after send");
  await api.json("POST", "/v1/devices/pump-4/telemetry", { readings: { latitude: 152 } });
  await api.project();
  const { id } = (await api.json("GET", "/v1/dead-letters")).body.items[0];
  const resend = (body?: unknown) => api.json("POST", `/v1/dead-letters/${id}/resend`, body);
  const payload = { readings: { latitude: 52 } };
  const first = await resend({ payload });
  expect([first.status, first.body.detail]).toEqual([503, expect.stringContaining("after 60 s")]);
  expect((await resend({ payload })).status).toBe(409);
  expect((await api.json("GET", `/v1/dead-letters/${id}`)).body.resend.state).toBe("sending");
  wait(abandonedMs + 1);
  expect((await resend({ payload: { readings: { latitude: 53 } } })).status).toBe(409);
  const finished = await resend();
  expect([finished.status, finished.body.tries, finished.body.outcome.duplicates]).toEqual([200, 2, 1]);
  expect(accepted).toHaveLength(1);
  await api.close();
});

test("what the twin no longer remembers, history does", async () => {
  const { api, accepted, wait } = await openFaultyApi("after send");
  await api.json("POST", "/v1/devices/pump-4/telemetry", { readings: { latitude: 152 } });
  await api.project();
  const { id } = (await api.json("GET", "/v1/dead-letters")).body.items[0];
  const payload = [{ readings: { latitude: 52 } }, { readings: { latitude: 152 } }];
  await api.json("POST", `/v1/dead-letters/${id}/resend`, { payload });
  // As many messages without a number as make the twin forget the one that was sent again.
  for (let number = 0; number < 70; number += 1)
    await api.json("POST", "/v1/devices/pump-4/telemetry", { id: `n${number}`, readings: { pressure: number } });
  await api.project();
  const before = accepted.length;
  wait(abandonedMs + 1);
  const { body } = await api.json("POST", `/v1/dead-letters/${id}/resend`, { payload });
  expect(body.outcome).toEqual({ kind: "counted", accepted: 0, duplicates: 1, refused: 1 });
  expect(accepted).toHaveLength(before);
  await api.close();
});

/** What people, processes and the device do, in any order. */
const anyStep = fc.oneof(
  fc.record({
    kind: fc.constant("resend" as const),
    at: fc.option(fc.constantFrom(...faultPoints), { freq: 1 }),
    correction: fc.constantFrom(undefined, { readings: { latitude: 51 } }, { seq: 3, readings: { latitude: 52 } }),
    together: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1_000, abandonedMs + 1) }),
  fc.record({ kind: fc.constant("telemetry" as const), seq: fc.integer({ min: 4, max: 5_000 }) }),
  fc.constant({ kind: "flood" as const }),
);

test("whatever dies, whoever asks and whatever the device sends meanwhile, a letter has one effect in the end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 14 }), async (steps) => {
      const { api, accepted, arm, wait } = await openFaultyApi(null);
      const send = (payload: unknown) => api.json("POST", "/v1/devices/pump-4/telemetry", payload);
      await send({ readings: { latitude: 152 } });
      await api.project();
      const { id } = (await api.json("GET", "/v1/dead-letters")).body.items[0];
      const resend = (body: object) => api.json("POST", `/v1/dead-letters/${id}/resend`, { override: true, ...body });
      let numbers = 0;
      const next = () => {
        numbers += 1;
        return { id: `n${numbers}`, readings: { pressure: numbers } };
      };
      for (const step of steps) {
        if (step.kind === "wait") wait(step.ms);
        else if (step.kind === "telemetry") await send({ seq: step.seq, readings: next().readings });
        else if (step.kind === "flood") await send(Array.from({ length: 65 }, next));
        else {
          arm(step.at);
          const body = step.correction === undefined ? {} : { payload: step.correction };
          await Promise.all(Array.from({ length: step.together }, () => resend(body)));
        }
        await api.project();
      }
      arm(null);
      wait(abandonedMs + 1);
      // One that finishes what was begun with a payload names none, or the same.
      await api.json("POST", `/v1/dead-letters/${id}/resend`);
      const shown = (await api.json("GET", `/v1/dead-letters/${id}`)).body;
      expect(shown.resend).toMatchObject({ state: "sent" });
      const effects = accepted.filter((record) => record.kind === "telemetry" && "latitude" in record.readings);
      expect(effects.length).toBe(shown.resend.outcome.refused > 0 ? 0 : 1);
      await api.close();
    }),
    { numRuns: 50 },
  );
});
