import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

const startMs = 1_795_262_400_000;
let nowMs: number;
let api: TestApi;
beforeEach(async () => {
  nowMs = startMs;
  api = await openTestApi({ now: () => nowMs });
});
afterEach(() => api.close());

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of the answer
type Letter = any;

/** Sends telemetry that becomes a dead letter, and gives the newest one of the device. */
async function aLetter(payload: unknown, device = "pump-4"): Promise<Letter> {
  await api.json("POST", `/v1/devices/${device}/telemetry`, payload);
  return newestOf(device);
}

async function newestOf(device: string): Promise<Letter> {
  await api.project();
  return (await api.json("GET", `/v1/dead-letters?device=${device}`)).body.items[0];
}

const resend = (id: string, body?: unknown) => api.json("POST", `/v1/dead-letters/${id}/resend`, body);

describe("dead letters", () => {
  test("are listed by device, reason, rule, type, region and time", async () => {
    await api.json("POST", "/v1/devices", { id: "pump-4", type: "pump", region: "eu" });
    const quarantined = await aLetter({ readings: { latitude: 152 } });
    nowMs += 1_000;
    const malformed = await aLetter("[]", "pump-5");
    expect(quarantined).toMatchObject({
      ...{ device: "pump-4", kind: "deadLettered", reason: "quarantined", type: "pump", region: "eu", sendable: true },
      ...{ broken: [{ rule: "latitude", metric: "latitude" }], resend: null, encoding: "utf8" },
    });
    const ids = async (query: string) =>
      (await api.json("GET", `/v1/dead-letters?${query}`)).body.items.map(({ id }: Letter) => id);
    expect(await ids("reason=quarantined")).toEqual([quarantined.id]);
    expect(await ids("rule=latitude&type=pump&region=eu")).toEqual([quarantined.id]);
    expect(await ids("rule=longitude")).toEqual([]);
    expect(await ids(`to=${startMs + 1}`)).toEqual([quarantined.id]);
    expect(await ids(`from=${startMs + 1}`)).toEqual([malformed.id]);
    expect((await api.json("GET", "/v1/dead-letters?reason=&limit=1")).status).toBe(400);
  });

  test("are shown whole under an id that stays", async () => {
    const letter = await aLetter({ seq: 1, readings: { temperature: null } });
    const { status, body } = await api.json("GET", `/v1/dead-letters/${letter.id}`);
    expect([status, body]).toEqual([200, letter]);
    expect(JSON.parse(body.payload)).toEqual({ seq: 1, readings: { temperature: null } });
    for (const id of ["nothing", `${letter.id}A`, letter.id.slice(1)])
      expect((await api.json("GET", `/v1/dead-letters/${id}`)).status).toBe(404);
  });
});

describe("a dead letter that is sent again", () => {
  test("corrected, reaches the twin, and says what became of it", async () => {
    const letter = await aLetter({ seq: 1, readings: { temperature: null } });
    nowMs += 5_000;
    const { status, body } = await resend(letter.id, { payload: { seq: 1, readings: { temperature: 21.5 } } });
    expect([status, body]).toEqual([
      200,
      {
        ...{ id: letter.id, tries: 1, deadLetters: null, detail: "1 message was accepted." },
        outcome: { kind: "counted", accepted: 1, duplicates: 0, refused: 0 },
      },
    ]);
    const shown = (await api.json("GET", `/v1/dead-letters/${letter.id}`)).body;
    expect(shown.resend).toMatchObject({ state: "sent", corrected: true, by: "anyone", tries: 1 });
    const { body: twin } = await api.json("GET", "/v1/devices/pump-4");
    expect(twin.latest.temperature).toMatchObject({ value: 21.5, ts: new Date(startMs).toISOString() });
  });

  test("is sent once: whoever comes later hears what happened", async () => {
    const letter = await aLetter({ readings: { latitude: 152 } });
    const answers = await Promise.all(
      [1, 2, 3].map(() => resend(letter.id, { payload: { readings: { latitude: 52 } } })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    // Many clients name a content type for no body, too.
    const later = await api.json("POST", `/v1/dead-letters/${letter.id}/resend`, "", {
      "content-type": "application/json",
    });
    expect(later.status).toBe(409);
    expect(later.body.detail).toMatch(/^It was sent again at 2026-.* by anyone: 1 message was accepted\.$/);
  });

  test("that fails again is a new dead letter, and the answer says where", async () => {
    const letter = await aLetter({ readings: { latitude: 152 } });
    nowMs += 1_000;
    const { status, body } = await resend(letter.id, { payload: { readings: { latitude: 153 } } });
    expect([status, body.outcome.refused]).toEqual([200, 1]);
    expect(body.detail).toBe("1 message was refused again and is a new dead letter.");
    await api.project();
    const { items } = (await api.json("GET", body.deadLetters)).body;
    expect(items).toMatchObject([{ reason: "quarantined", resend: null }]);
    expect(items[0].id).not.toBe(letter.id);
    expect((await resend(items[0].id, { payload: { readings: { latitude: 53 } } })).body.outcome.accepted).toBe(1);
  });

  test("can be let in from quarantine as it is, with all its flags", async () => {
    const letter = await aLetter({ readings: { latitude: 152, temperature: 900, pressure: 1 } });
    expect((await resend(letter.id, { override: true })).body.outcome.accepted).toBe(1);
    await api.project();
    const flagsOf = async (metric: string) => {
      const range = { device: "pump-4", metric, fromMs: startMs, toMs: startMs + 1 };
      return (await api.parts.series.readings(range, 10)).map(({ flags }) => flags);
    };
    expect([await flagsOf("latitude"), await flagsOf("temperature"), await flagsOf("pressure")]).toEqual([
      ...[[["latitude"]], [["temperature-range"]], [null]],
    ]);
    expect((await api.json("GET", "/v1/dead-letters")).body.items).toHaveLength(1);
  });

  test("does not make an offline device look online", async () => {
    const letter = await aLetter({ readings: { latitude: 152 } });
    nowMs += 600_000;
    await api.host.ask("pump-4", { kind: "deadline" });
    await resend(letter.id, { payload: { readings: { latitude: 52 } } });
    expect((await api.json("GET", "/v1/devices/pump-4")).body.status).toBe("offline");
  });

  test("may be any bytes", async () => {
    const letter = await aLetter({ readings: { latitude: 152 } });
    const payloadBase64 = Buffer.from('{"readings":{"latitude":1}}').toString("base64");
    for (const body of [
      { payload: 1, payloadBase64 },
      { payloadBase64: "?" },
      { payloads: 1 },
      { override: "yes" },
      [],
    ])
      expect((await resend(letter.id, body)).status).toBe(400);
    expect((await resend(letter.id, { payloadBase64 })).body.outcome.accepted).toBe(1);
  });

  test("whose topic has no second time is refused with the reason", async () => {
    await api.host.ask("pump-4", {
      ...{ kind: "refused", topic: "devices/other/telemetry", payload: new Uint8Array([123]), session: null },
      ...{ reason: "foreign-topic", detail: "not yours" },
    });
    const letter = await newestOf("pump-4");
    expect(letter.sendable).toBe(false);
    const { status, body } = await resend(letter.id);
    expect([status, body.detail]).toEqual([409, expect.stringContaining("not the device's to publish to")]);
    expect((await resend("nothing")).status).toBe(404);
  });

  test("of a device that is gone is not used up", async () => {
    await api.close();
    api = await openTestApi({ now: () => nowMs, openRegistry: false });
    await api.json("POST", "/v1/devices", { id: "pump-4" });
    const letter = await aLetter({ readings: { latitude: 152 } });
    await api.json("DELETE", "/v1/devices/pump-4");
    expect((await resend(letter.id)).body.type).toBe("urn:doppel:problem:unknown-device");
    await api.json("POST", "/v1/devices", { id: "pump-4" });
    expect((await resend(letter.id, { payload: { readings: { latitude: 2 } } })).status).toBe(200);
  });
});

describe("many dead letters that are sent again", () => {
  test("by a filter, are answered one by one, those that were sent before left out", async () => {
    for (let number = 1; number <= 5; number += 1) {
      nowMs += 1;
      await aLetter({ seq: number, readings: { latitude: 100 + number } });
    }
    const { items } = (await api.json("GET", "/v1/dead-letters")).body;
    await resend(items[4].id, { override: true });
    const many = (body: unknown) => api.json("POST", "/v1/dead-letters/resend", body);
    const filter = { rule: "latitude", device: "pump-4" };
    const first = await many({ filter, limit: 3, override: true });
    expect(first.body.items.map(({ status }: Letter) => status)).toEqual(["sent", "sent", "sent"]);
    expect(first.body.items.map(({ id }: Letter) => id)).toEqual([items[2].id, items[1].id, items[0].id]);
    const second = await many({ filter, limit: 3, cursor: first.body.next, override: true });
    expect(second.body).toMatchObject({ items: [{ id: items[3].id, status: "sent" }], next: null });
    const named = await many({ ids: [items[0].id, "nothing", items[0].id] });
    expect(named.body.items).toMatchObject([
      { id: "nothing", status: "unknownLetter" },
      { id: items[0].id, status: "alreadySent", outcome: { accepted: 1 } },
    ]);
    for (const body of [{}, { ids: [] }, { ids: ["a"], filter: {} }, { filter: { nothing: 1 } }])
      expect((await many(body)).status).toBe(400);
    await api.project();
    expect((await api.json("GET", "/v1/dead-letters")).body.items).toHaveLength(5);
  });
});
