import fc from "fast-check";
import { expect, test } from "vitest";
import { emptyWindow, remember } from "./dedup-window.ts";
import { latestOf, noMetrics, observe } from "./metrics.ts";
import { neverSeen, type Presence } from "./presence.ts";
import type { MessageIdentity } from "./telemetry.ts";
import { newTwin, type Twin } from "./twin.ts";
import { decodeTwin, encodeTwin } from "./twin-codec.ts";

test("a new twin comes back as it was", () => {
  expect(decodeTwin(encodeTwin(newTwin("pump-4")))).toEqual(newTwin("pump-4"));
});

test("any twin comes back as it was", () => {
  fc.assert(
    fc.property(anyTwin, (twin) => {
      const text = encodeTwin(twin);
      expect(decodeTwin(text)).toEqual(twin);
      expect(encodeTwin(decodeTwin(text))).toBe(text);
      expect(text).not.toMatch(/[\n\0]/);
    }),
  );
});

test("statistics that have overflowed come back as they were", () => {
  const once = observe(noMetrics, { load: 1e308, surge: 1e308 }, 1, 1);
  const metrics = observe(observe(once, { load: -1e308, surge: -1e308 }, 2, 2), { surge: 1e308 }, 3, 3);
  const means = ["load", "surge"].map((name) => latestOf(metrics, name)?.mean);
  expect(means).toEqual([Number.NEGATIVE_INFINITY, Number.NaN]);
  const twin: Twin = { ...newTwin("pump-4"), metrics };
  expect(decodeTwin(encodeTwin(twin))).toEqual(twin);
});

test("a twin stored before it had some field gets that field's default", () => {
  const { commandSession: _, ...older } = JSON.parse(encodeTwin(newTwin("pump-4"))) as Record<string, unknown>;
  expect(decodeTwin(JSON.stringify(older))).toEqual(newTwin("pump-4"));
});

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.constantFrom("\0", "\ud800", "\n", "Infinity", ""),
);
const key = text.filter((name) => name !== "__proto__");
const time = fc.integer({ min: 0, max: 4e12 });
const finite = fc.double({ noDefaultInfinity: true, noNaN: true }).map(positiveZero);
const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)));
const object = fc.dictionary(key, json);
const session = fc.record({ id: text, connectedAtMs: time, node: text });

const message = fc.record({
  readings: fc.dictionary(key, fc.oneof(finite, fc.boolean(), text), { minKeys: 1 }),
  tsMs: time,
  receivedAtMs: time,
});

const shadow = fc.oneof(
  fc.record(
    {
      kind: fc.constant("live" as const),
      version: fc.nat(),
      desired: object,
      reported: object,
      metadata: fc.record({ desired: object, reported: object }, { requiredKeys: [] }),
      updatedAtMs: time,
    },
    { requiredKeys: ["kind", "version", "metadata", "updatedAtMs"] },
  ),
  fc.record({ kind: fc.constant("deleted" as const), version: fc.nat(), deletedAtMs: time }),
);

const command = fc.record(
  {
    id: text,
    name: text,
    parameters: json,
    state: fc.constantFrom("queued" as const, "acknowledged" as const, "failed" as const),
    createdAtMs: time,
    updatedAtMs: time,
    expiresAtMs: fc.option(time),
    progress: json,
    result: json,
    reason: text,
  },
  { requiredKeys: ["id", "name", "parameters", "state", "createdAtMs", "updatedAtMs", "expiresAtMs"] },
);

const identity: fc.Arbitrary<MessageIdentity> = fc.oneof(
  fc.record({ kind: fc.constant("sequence" as const), boot: fc.constantFrom("", "a", "b\0"), seq: fc.nat(3000) }),
  fc.record({ kind: fc.constant("id" as const), id: text }),
  fc.record({ kind: fc.constant("hash" as const), hash: fc.maxSafeNat() }),
);

const presence: fc.Arbitrary<Presence> = fc.oneof(
  fc.constant(neverSeen),
  fc.record({
    phase: fc.constantFrom("offline" as const, "online" as const),
    sinceMs: time,
    flapping: fc.boolean(),
    edgesMs: fc.array(time),
    session: fc.option(session),
    ended: fc.option(session),
  }),
);

const anyTwin: fc.Arbitrary<Twin> = fc
  .tuple(
    fc.record({
      id: fc.stringMatching(/^[a-zA-Z0-9:_-]{1,128}$/),
      revision: fc.nat(),
      registration: fc.option(
        fc.record({
          type: text,
          region: text,
          location: fc.option(fc.record({ name: text, latitude: finite, longitude: finite }, { requiredKeys: [] })),
          tags: fc.dictionary(key, text),
          firmwareVersion: fc.option(text),
          createdAtMs: time,
        }),
      ),
      presence,
      lastSeenMs: time,
      shadows: fc.dictionary(key, shadow),
      commands: fc.record({ open: fc.array(command, { maxLength: 2 }), ended: fc.array(command, { maxLength: 2 }) }),
      commandSession: text,
      dedup: fc.array(identity, { maxLength: 80 }).map((identities) => identities.reduce(remember, emptyWindow)),
      metrics: fc
        .array(message, { maxLength: 6 })
        .map((messages) =>
          messages.reduce(
            (before, { readings, tsMs, receivedAtMs }) => observe(before, readings, tsMs, receivedAtMs),
            noMetrics,
          ),
        ),
    }),
    fc.record({ unchangedSince: fc.dictionary(key, time) }, { requiredKeys: [] }),
  )
  .map(([twin, kept]) => ({ ...twin, ...kept }));

/** JSON has no −0. */
function positiveZero(value: number): number {
  return value === 0 ? 0 : value;
}
