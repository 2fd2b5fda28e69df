import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import {
  decideShadow,
  deltaOf,
  documentOf,
  evolveShadow,
  type LiveShadow,
  type Shadow,
  tombstoneMs,
} from "./shadow.ts";

// Few keys, so that updates meet; some that JavaScript objects have of their own.
const key = fc.constantFrom("a", "b", "timestamp", "__proto__", "constructor");
const leaf = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.constantFrom("", "x"));
const objectOf = (value: fc.Arbitrary<Json>): fc.Arbitrary<JsonObject> =>
  fc.array(fc.tuple(key, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries));
const inArray: fc.Arbitrary<Json> = fc.oneof(leaf, objectOf(leaf), fc.array(leaf, { maxLength: 2 }));
const value = (levels: number): fc.Arbitrary<Json> =>
  levels === 0
    ? fc.oneof(leaf, fc.constant(null))
    : fc.oneof(leaf, fc.constant(null), fc.array(inArray, { maxLength: 3 }), objectOf(value(levels - 1)));
const section = fc.option(objectOf(value(3)), { freq: 8 });
const state = fc.option(fc.record({ desired: section, reported: section }, { requiredKeys: [] }), { freq: 12 });

type Step = { kind: "update"; state: JsonObject | null; conditional: boolean } | { kind: "delete" } | { kind: "get" };
const step: fc.Arbitrary<{ step: Step; laterMs: number }> = fc.record({
  step: fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constant("update" as const), state, conditional: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: "delete" }) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: "get" }) },
  ),
  laterMs: fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.constantFrom(tombstoneMs, tombstoneMs + 1)),
});

/** What one step did, and the shadow that its records make of the one before. */
type Taken = { step: Step; nowMs: number; before: Shadow | undefined; after: Shadow | undefined } & Pick<
  ReturnType<typeof decideShadow>,
  "answer" | "sends" | "records"
>;

function run(steps: readonly { step: Step; laterMs: number }[]): Taken[] {
  let shadow: Shadow | undefined;
  let nowMs = 1_700_000_000_000;
  return steps.map(({ step, laterMs }) => {
    nowMs += laterMs;
    const body: JsonObject = step.kind === "update" ? { state: step.state } : {};
    if (step.kind === "update" && step.conditional) body.version = shadow?.kind === "live" ? shadow.version : 0;
    const payload = new TextEncoder().encode(JSON.stringify(body));
    const context = { thing: "t", nowMs, by: "app" as const, maxBytes: 8_192, maxDepth: 6 };
    const decision = decideShadow(shadow, "s", { kind: step.kind, payload }, context);
    const before = shadow;
    for (const record of decision.records) {
      if (record.kind !== "shadowUpdated" && record.kind !== "shadowDeleted") throw new Error(record.kind);
      // Through JSON, as the log keeps it.
      shadow = JSON.parse(JSON.stringify(evolveShadow(shadow, JSON.parse(JSON.stringify(record)))));
    }
    return { step, nowMs, before, after: shadow, ...decision };
  });
}

function always(check: (taken: Taken) => void): void {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      for (const taken of run(steps)) check(taken);
    }),
    { numRuns: 400 },
  );
}

const isLive = (shadow: Shadow | undefined): shadow is LiveShadow => shadow?.kind === "live";
/** Text that is the same for equal values, whatever the order of keys. */
const canonical = (value: Json | undefined): string =>
  value === undefined
    ? "nothing"
    : JSON.stringify(value, (_, v: Json) =>
        isJsonObject(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v,
      );

describe("whatever the requests", () => {
  test("the shadow folded from the records is the one that the documents showed", () => {
    always(({ step, sends, after }) => {
      if (step.kind !== "update") return;
      const documents = sends.find(({ kind }) => kind === "shadowDocuments");
      if (documents?.kind !== "shadowDocuments" || !isLive(after)) throw new Error("an update without documents");
      const { desired, reported, metadata, version } = after;
      const folded = { state: JSON.parse(JSON.stringify({ desired, reported })), metadata, version };
      expect(canonical(documents.body.current)).toBe(canonical(folded));
    });
  });

  test("the version grows by exactly 1 with each accepted update, and starts again at 1 only after 48 hours", () => {
    always(({ step, answer, before, nowMs }) => {
      if (step.kind !== "update") return;
      expect(answer.kind).toBe("accepted");
      const forgotten = before?.kind === "deleted" && nowMs - before.deletedAtMs > tombstoneMs;
      expect(answer.kind === "accepted" && answer.version).toBe((forgotten ? 0 : (before?.version ?? 0)) + 1);
    });
  });

  test("no null is left in the state", () => {
    always(({ after }) => {
      if (isLive(after)) expect(JSON.stringify([after.desired ?? 0, after.reported ?? 0])).not.toContain("null");
    });
  });

  test("metadata has the shape of the state", () => {
    always(({ after }) => {
      if (!isLive(after)) return;
      for (const name of ["desired", "reported"] as const) {
        expect(canonical(after.metadata[name])).toBe(
          after[name] === undefined ? "nothing" : canonical(timesOf(after[name], after.metadata[name])),
        );
      }
    });
  });

  test("no section is there without keys", () => {
    always(({ after }) => {
      if (!isLive(after)) return;
      for (const present of [after.desired, after.reported]) expect(present && Object.keys(present)).not.toEqual([]);
    });
  });

  test("the delta is the difference of desired and reported, and is sent exactly when it is not empty", () => {
    always(({ step, after, sends }) => {
      if (!isLive(after)) return;
      const expected = naiveDifference(after.desired ?? {}, after.reported ?? {});
      const delta = deltaOf(after);
      expect(canonical(delta)).toBe(canonical(expected));
      expect(delta === null).toBe(isWithin(after.desired ?? {}, after.reported ?? {}));
      expect(Object.hasOwn(documentOf(after, 0).state as JsonObject, "delta")).toBe(delta !== null);
      if (step.kind === "update") expect(sends.some(({ kind }) => kind === "shadowDelta")).toBe(delta !== null);
    });
  });

  test("a device that reports the delta has nothing left to change", () => {
    always(({ after, nowMs }) => {
      if (!isLive(after)) return;
      const delta = deltaOf(after);
      if (delta === null) return;
      const payload = new TextEncoder().encode(JSON.stringify({ state: { reported: delta } }));
      const context = { thing: "t", nowMs, by: "device" as const, maxBytes: 99_999, maxDepth: 6 };
      const { sends } = decideShadow(after, "s", { kind: "update", payload }, context);
      expect(sends.map(({ kind }) => kind)).toEqual(["shadowDocuments"]);
    });
  });
});

/** The state with each value's time in its place, taken from `metadata` by the same path. */
function timesOf(state: Json, metadata: Json | undefined): Json {
  if (Array.isArray(state)) return state.map((element, i) => timesOf(element, (metadata as Json[])[i]));
  if (isJsonObject(state)) {
    const entries = Object.entries(state).map(([key, below]): [string, Json] => {
      const about = isJsonObject(metadata) ? Object.entries(metadata).find(([name]) => name === key)?.[1] : undefined;
      return [key, timesOf(below, about)];
    });
    return Object.fromEntries(entries);
  }
  if (!isJsonObject(metadata) || typeof metadata.timestamp !== "number") throw new Error("a value without its time");
  return { timestamp: metadata.timestamp };
}

/** Written from the rule alone, over paths: a second opinion. Null when nothing differs. */
function naiveDifference(desired: JsonObject, reported: JsonObject): JsonObject | null {
  const entries: [string, Json][] = [];
  for (const key of Object.keys(desired)) {
    const wanted = new Map(Object.entries(desired)).get(key) as Json;
    const actual = new Map(Object.entries(reported)).get(key);
    if (canonical(wanted) === canonical(actual)) continue;
    if (isJsonObject(wanted) && isJsonObject(actual)) {
      const below = naiveDifference(wanted, actual);
      if (below !== null) entries.push([key, below]);
    } else {
      entries.push([key, wanted]);
    }
  }
  return entries.length === 0 ? null : Object.fromEntries(entries);
}

function isWithin(desired: JsonObject, reported: JsonObject): boolean {
  return Object.entries(desired).every(([key, wanted]) => {
    const actual = Object.entries(reported).find(([name]) => name === key)?.[1];
    if (isJsonObject(wanted) && isJsonObject(actual)) return isWithin(wanted, actual);
    return canonical(wanted) === canonical(actual);
  });
}
