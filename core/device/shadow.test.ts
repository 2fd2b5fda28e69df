import { describe, expect, test } from "vitest";
import type { JsonObject } from "../json.ts";
import {
  type DeletedShadow,
  decideShadow,
  deltaMessage,
  deltaOf,
  documentOf,
  everyShadow,
  evolveShadow,
  evolveShadows,
  type LiveShadow,
  liveShadowNames,
  maxTombstones,
  pendingDeltas,
  rejectedAnswer,
  type Shadow,
  type ShadowContext,
  type ShadowDecision,
  tombstoneMs,
} from "./shadow.ts";
import { type ShadowRequest, shadowErrors } from "./shadow-request.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const at = (nowMs: number, changes: Partial<ShadowContext> = {}): ShadowContext => ({
  thing: "pump-4",
  nowMs,
  by: "device",
  maxBytes: 8_192,
  maxDepth: 6,
  ...changes,
});
const t1 = at(1_000_999);
const t2 = at(2_000_000);

const update = (body: unknown): ShadowRequest => ({ kind: "update", payload: bytes(JSON.stringify(body)) });
const get = (body = ""): ShadowRequest => ({ kind: "get", payload: bytes(body) });
const del = (body = ""): ShadowRequest => ({ kind: "delete", payload: bytes(body) });

/** The shadow after a decision, by its records alone. */
function evolved(shadow: Shadow | undefined, { records }: ShadowDecision): Shadow | undefined {
  return records.reduce<Shadow | undefined>((before, record) => {
    if (record.kind !== "shadowUpdated" && record.kind !== "shadowDeleted") throw new Error(record.kind);
    return evolveShadow(before, record);
  }, shadow);
}

/** A live shadow made of updates, in order. */
function shadowOf(...bodies: JsonObject[]): LiveShadow {
  let shadow: Shadow | undefined;
  for (const body of bodies) shadow = evolved(shadow, decideShadow(shadow, "", update(body), t1));
  if (shadow?.kind !== "live") throw new Error("an update was refused");
  return shadow;
}

const stateOf = (shadow: Shadow | undefined) => (shadow?.kind === "live" ? documentOf(shadow, 0).state : undefined);

describe("an update", () => {
  test("makes the shadow with version 1 and answers only what was sent", () => {
    const { records, answer } = decideShadow(
      undefined,
      "cfg",
      update({ state: { desired: { led: { on: true }, off: null } }, clientToken: "t-1" }),
      t1,
    );
    expect(records).toEqual([
      {
        kind: "shadowUpdated",
        atMs: 1_000_999,
        shadow: "cfg",
        version: 1,
        desired: { led: { on: true }, off: null },
        by: "device",
      },
    ]);
    expect(answer).toEqual({
      kind: "accepted",
      operation: "update",
      version: 1,
      body: {
        state: { desired: { led: { on: true }, off: null } },
        metadata: { desired: { led: { on: { timestamp: 1_000 } } } },
        version: 1,
        timestamp: 1_000,
        clientToken: "t-1",
      },
    });
  });

  test("does not answer with the section that was not sent", () => {
    const shadow = shadowOf({ state: { desired: { a: 1 }, reported: { a: 1 } } });
    const { answer } = decideShadow(shadow, "", update({ state: { reported: { a: 2 } } }), t2);
    expect(answer.body).toEqual({
      state: { reported: { a: 2 } },
      metadata: { reported: { a: { timestamp: 2_000 } } },
      version: 2,
      timestamp: 2_000,
    });
  });

  test("sends the delta with desired's metadata, and both documents", () => {
    const shadow = shadowOf({ state: { desired: { a: 1, b: { c: 1, d: 2 } } } });
    const request = update({ state: { reported: { a: 1, b: { d: 2 } } }, clientToken: "x" });
    const { sends } = decideShadow(shadow, "", request, t2);
    expect(sends).toEqual([
      {
        kind: "shadowDelta",
        shadow: "",
        body: {
          state: { b: { c: 1 } },
          metadata: { b: { c: { timestamp: 1_000 } } },
          version: 2,
          timestamp: 2_000,
          clientToken: "x",
        },
      },
      {
        kind: "shadowDocuments",
        shadow: "",
        body: {
          previous: {
            state: { desired: { a: 1, b: { c: 1, d: 2 } } },
            metadata: { desired: { a: { timestamp: 1_000 }, b: { c: { timestamp: 1_000 }, d: { timestamp: 1_000 } } } },
            version: 1,
          },
          current: {
            state: { desired: { a: 1, b: { c: 1, d: 2 } }, reported: { a: 1, b: { d: 2 } } },
            metadata: {
              desired: { a: { timestamp: 1_000 }, b: { c: { timestamp: 1_000 }, d: { timestamp: 1_000 } } },
              reported: { a: { timestamp: 2_000 }, b: { d: { timestamp: 2_000 } } },
            },
            version: 2,
          },
          timestamp: 2_000,
          clientToken: "x",
        },
      },
    ]);
  });

  test("sends no delta when everything desired is reported", () => {
    const shadow = shadowOf({ state: { desired: { a: 1 } } });
    const { sends } = decideShadow(shadow, "", update({ state: { reported: { a: 1, more: true } } }), t2);
    expect(sends.map(({ kind }) => kind)).toEqual(["shadowDocuments"]);
  });

  test("gives new times only to the values that were sent, changed or not", () => {
    const shadow = shadowOf({ state: { reported: { a: 1, b: 2 } } });
    const next = evolved(shadow, decideShadow(shadow, "", update({ state: { reported: { b: 2 } } }), t2));
    expect(next?.kind === "live" && next.metadata).toEqual({
      reported: { a: { timestamp: 1_000 }, b: { timestamp: 2_000 } },
    });
  });

  test("removes a section with null", () => {
    const shadow = shadowOf({ state: { desired: { a: 1 }, reported: { a: 1 } } }, { state: { desired: null } });
    expect(documentOf(shadow, 3_000_000)).toEqual({
      state: { reported: { a: 1 } },
      metadata: { reported: { a: { timestamp: 1_000 } } },
      version: 2,
      timestamp: 3_000,
    });
  });

  test("does not show a section whose last key was removed", () => {
    expect(stateOf(shadowOf({ state: { desired: { a: 1 } } }, { state: { desired: { a: null } } }))).toEqual({});
    expect(stateOf(shadowOf({ state: { desired: {} } }))).toEqual({});
  });

  test("clears both sections with a null state, and says so", () => {
    const shadow = shadowOf({ state: { desired: { a: 1 }, reported: { a: 2 } } });
    const decision = decideShadow(shadow, "", update({ state: null }), t2);
    expect(decision.answer.body).toEqual({ state: null, metadata: {}, version: 2, timestamp: 2_000 });
    expect(decision.sends.map(({ kind }) => kind)).toEqual(["shadowDocuments"]);
    const next = evolved(shadow, decision);
    expect(next?.kind === "live" && documentOf(next, 2_000_000)).toEqual({
      state: {},
      metadata: {},
      version: 2,
      timestamp: 2_000,
    });
  });

  test("takes a version that is the current one", () => {
    const shadow = shadowOf({ state: {} }, { state: {} });
    expect(decideShadow(shadow, "", update({ state: {}, version: 2 }), t2).answer).toMatchObject({ version: 3 });
    const request: ShadowRequest = { kind: "update", payload: bytes('{"state":{}}'), ifVersion: 2 };
    expect(decideShadow(shadow, "", request, t2).answer).toMatchObject({ version: 3 });
  });

  test("with version 0 makes a shadow only where there is none", () => {
    const request = update({ state: {}, version: 0 });
    expect(decideShadow(undefined, "", request, t1).answer).toMatchObject({ kind: "accepted", version: 1 });
    expect(decideShadow(shadowOf({ state: {} }), "", request, t1).answer).toMatchObject({ code: 409 });
  });

  test("treats a key named __proto__ as any other", () => {
    const sent = '{"state":{"desired":{"__proto__":{"polluted":1},"constructor":{"a":1}}}}';
    const shadow = evolved(undefined, decideShadow(undefined, "", { kind: "update", payload: bytes(sent) }, t1));
    expect(JSON.stringify(stateOf(shadow))).toBe(
      '{"desired":{"__proto__":{"polluted":1},"constructor":{"a":1}},"delta":{"__proto__":{"polluted":1},"constructor":{"a":1}}}',
    );
    expect(JSON.stringify(shadow?.kind === "live" && shadow.metadata.desired)).toContain('"__proto__":{"polluted":{');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test("keeps a value whose own name is timestamp apart from metadata", () => {
    const shadow = shadowOf(
      { state: { reported: { gps: { timestamp: 5 } } } },
      { state: { reported: { gps: { lat: 1 } } } },
    );
    expect(shadow.metadata.reported).toEqual({ gps: { timestamp: { timestamp: 1_000 }, lat: { timestamp: 1_000 } } });
  });

  test("gives each element of an array its own time", () => {
    const shadow = shadowOf({ state: { reported: { a: [1, { b: 2 }, [3]] } } });
    expect(shadow.metadata.reported).toEqual({
      a: [{ timestamp: 1_000 }, { b: { timestamp: 1_000 } }, [{ timestamp: 1_000 }]],
    });
  });
});

describe("a get", () => {
  test("shows the state with its delta, metadata, version and time", () => {
    const shadow = shadowOf({ state: { desired: { a: 1, b: 2 }, reported: { a: 1 } } });
    const { answer, records, sends } = decideShadow(shadow, "", get('{"clientToken":"t","version":99}'), t2);
    expect(answer).toEqual({
      kind: "accepted",
      operation: "get",
      version: 1,
      body: {
        state: { desired: { a: 1, b: 2 }, reported: { a: 1 }, delta: { b: 2 } },
        metadata: {
          desired: { a: { timestamp: 1_000 }, b: { timestamp: 1_000 } },
          reported: { a: { timestamp: 1_000 } },
        },
        version: 1,
        timestamp: 2_000,
        clientToken: "t",
      },
    });
    expect([...records, ...sends]).toEqual([]);
  });

  test("has no delta when there is none", () => {
    const shadow = shadowOf({ state: { desired: { a: 1 }, reported: { a: 1 } } });
    expect(decideShadow(shadow, "", get(), t2).answer.body.state).toEqual({ desired: { a: 1 }, reported: { a: 1 } });
  });
});

test("a delta that is sent again has the time of now and no client token", () => {
  const shadow = shadowOf({ state: { desired: { a: 1 } }, clientToken: "t" });
  expect(deltaMessage(shadow, 9_000_000)).toEqual({
    state: { a: 1 },
    metadata: { a: { timestamp: 1_000 } },
    version: 1,
    timestamp: 9_000,
  });
});

test("a device that listens again hears the delta of the shadow, or of every shadow, that it listens to", () => {
  const shadows: Record<string, Shadow> = {
    "": shadowOf({ state: { desired: { a: 1 } } }),
    cfg: shadowOf({ state: { desired: { b: 1 } } }),
    done: shadowOf({ state: { desired: { c: 1 }, reported: { c: 1 } } }),
    gone: { kind: "deleted", version: 4, deletedAtMs: 0 },
  };
  const heard = (name: string) => pendingDeltas(shadows, name, 0).map((send) => "shadow" in send && send.shadow);
  expect(heard("")).toEqual([""]);
  expect(heard("cfg")).toEqual(["cfg"]);
  expect(heard("done")).toEqual([]);
  expect(heard("gone")).toEqual([]);
  expect(heard("toString")).toEqual([]);
  expect(heard(everyShadow)).toEqual(["", "cfg"]);
});

describe("a deleted shadow", () => {
  const live = shadowOf({ state: {} }, { state: { desired: { a: 1 } } });
  const decision = decideShadow(live, "cfg", del('{"clientToken":"t","version":2}'), t2);
  const deleted = evolved(live, decision) as DeletedShadow;

  test("is answered with the version that was deleted", () => {
    expect(decision.records).toEqual([{ kind: "shadowDeleted", atMs: 2_000_000, shadow: "cfg", version: 2 }]);
    expect(decision.answer).toEqual({
      kind: "accepted",
      operation: "delete",
      version: 2,
      body: { version: 2, timestamp: 2_000, clientToken: "t" },
    });
    expect(deleted).toEqual({ kind: "deleted", version: 2, deletedAtMs: 2_000_000 });
  });

  test("is not found, has no delta and is not listed", () => {
    expect(decideShadow(deleted, "cfg", get(), t2).answer).toMatchObject({ code: 404 });
    expect(decideShadow(deleted, "cfg", del(), t2).answer).toMatchObject({ code: 404 });
    expect([deltaOf(deleted), deltaMessage(deleted, 0)]).toEqual([null, null]);
    expect(liveShadowNames({ cfg: deleted, "": live, a: live })).toEqual(["", "a"]);
  });

  test("goes on counting for 48 hours, with nothing of its state", () => {
    const last = at(2_000_000 + tombstoneMs);
    const { answer, sends, records } = decideShadow(deleted, "cfg", update({ state: { reported: { b: 1 } } }), last);
    expect(answer).toMatchObject({ kind: "accepted", version: 3 });
    expect(sends[0]).toMatchObject({ body: { previous: { state: {}, metadata: {}, version: 2 } } });
    expect(stateOf(evolved(deleted, { records, sends, answer }))).toEqual({ reported: { b: 1 } });
  });

  test("is forgotten after 48 hours", () => {
    const later = at(2_000_001 + tombstoneMs);
    const { answer, sends } = decideShadow(deleted, "cfg", update({ state: {} }), later);
    expect(answer).toMatchObject({ kind: "accepted", version: 1 });
    expect(sends[0]).toMatchObject({ body: { previous: { version: 0 } } });
  });

  test("can be made again by whoever knows its version or that it is gone, and by no other", () => {
    const codes = [0, 1, 2, 3].map(
      (version) => decideShadow(deleted, "cfg", update({ state: {}, version }), t2).answer,
    );
    expect(codes.map(({ kind }) => kind)).toEqual(["accepted", "rejected", "accepted", "rejected"]);
  });
});

test("a request that is turned away before the twin has the same form", () => {
  expect(rejectedAnswer("get", shadowErrors.tooManyRequests, 5_000, "t")).toEqual({
    kind: "rejected",
    operation: "get",
    code: 429,
    message: "Too many requests",
    clientToken: "t",
    body: { code: 429, message: "Too many requests", timestamp: 5, clientToken: "t" },
  });
});

describe("tombstones", () => {
  const deletion = (shadow: string, atMs: number) => ({ kind: "shadowDeleted", atMs, shadow, version: 1 }) as const;

  test("are forgotten after 48 hours, when another shadow is deleted", () => {
    const live = shadowOf({ state: {} });
    const shadows = [deletion("a", 0), deletion("b", 1), deletion("__proto__", tombstoneMs + 1)].reduce<
      Readonly<Record<string, Shadow>>
    >(evolveShadows, { live });
    expect(Object.keys(shadows)).toEqual(["live", "b", "__proto__"]);
  });

  test("are bounded: the newest stay", () => {
    let shadows: Readonly<Record<string, Shadow>> = {};
    for (let i = 0; i <= maxTombstones; i++) shadows = evolveShadows(shadows, deletion(`s${i}`, i));
    expect(Object.keys(shadows)).toHaveLength(maxTombstones);
    expect(shadows.s0).toBeUndefined();
    expect(shadows[`s${maxTombstones}`]).toBeDefined();
  });
});
