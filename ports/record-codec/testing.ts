/** For tests: any record that the core could make, and some that it could not. */
import fc from "fast-check";
import type { CommandState } from "../../core/device/commands.ts";
import type { Presence, PresenceEdge, Session } from "../../core/device/presence.ts";
import type { TwinRecord } from "../../core/device/records.ts";
import type { Registration } from "../../core/device/registration.ts";
import type { MessageIdentity } from "../../core/device/telemetry.ts";
import type { Json, JsonObject } from "../../core/json.ts";

/** Texts as devices and apps send them: NUL, lone surrogates, long ones, keys that objects have already. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 12 }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
  fc.constantFrom(
    "",
    "\0",
    "\ud800",
    "\udfff\ud800",
    'a\n"b"\\',
    "__proto__",
    "constructor",
    "\u2028",
    "é",
    "€".repeat(50),
  ),
);
/** What a Date can hold, but for the years before −140,000: avsc does not write those rightly. */
export const anyTime = fc.oneof(
  fc.constantFrom(0, 1, -1, 1_700_000_000_000),
  fc.integer({ min: -(2 ** 52), max: 8.64e15 }),
  fc.integer(),
);
/** avsc reads no further, and tells so. */
const anyCount = fc.integer({ min: 0, max: 2 ** 53 - 2 });
const anyNumber = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, 1.5, -3e300, Number.MAX_VALUE, Number.MIN_VALUE, 2 ** 53),
);
const anyMap = <T>(value: fc.Arbitrary<T>) => fc.dictionary(anyText, value, { maxKeys: 5 });
const anyJson = fc
  .oneof(fc.jsonValue({ maxDepth: 3 }), anyText, anyMap(anyText))
  .map((value) => JSON.parse(JSON.stringify(value)) as Json);
const anyObject = anyMap(anyJson) as fc.Arbitrary<JsonObject>;

/** Each optional field is there or not, as `exactOptionalPropertyTypes` has it. */
function some<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> {
  return fc.record(fields, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>;
}

function kind<K extends TwinRecord["kind"]>(
  name: K,
  required: object,
  optional: object = {},
): fc.Arbitrary<TwinRecord & { kind: K }> {
  const fields = fc.record({ kind: fc.constant(name), atMs: anyTime, ...required } as Record<
    string,
    fc.Arbitrary<unknown>
  >);
  return fc
    .tuple(fields, some(optional as Record<string, fc.Arbitrary<unknown>>))
    .map(([one, other]) => JSON.parse(JSON.stringify({ ...one, ...other }))); // plain objects, without -0
}

const anySession: fc.Arbitrary<Session> = fc.record({ id: anyText, connectedAtMs: anyTime, node: anyText });
const presence = { sinceMs: anyTime, flapping: fc.boolean(), edgesMs: fc.array(anyTime, { maxLength: 3 }) };
const anyPresence: fc.Arbitrary<Presence> = fc.oneof(
  fc.record({
    ...presence,
    phase: fc.constantFrom("offline" as const, "online" as const),
    session: fc.option(anySession),
    ended: fc.option(anySession),
  }),
  fc.record({
    ...presence,
    phase: fc.constant("suspect" as const),
    suspectSinceMs: anyTime,
    reason: anyText,
    ended: fc.option(anySession),
  }),
);
const edges = ["connected", "disconnected", "statusOffline", "heard", "silenceElapsed", "graceElapsed"] as const;
const anyEdge: fc.Arbitrary<PresenceEdge["type"]> = fc.constantFrom(...edges, "sessionOrphaned", "steadyElapsed");
const anyRegistration: fc.Arbitrary<Registration> = fc.record({
  type: anyText,
  region: anyText,
  location: fc.option(some({ name: anyText, latitude: anyNumber, longitude: anyNumber })),
  tags: anyMap(anyText),
  firmwareVersion: fc.option(anyText),
  createdAtMs: anyTime,
});
const anyIdentity: fc.Arbitrary<MessageIdentity> = fc.oneof(
  fc.record({ kind: fc.constant("sequence" as const), boot: anyText, seq: anyCount }),
  fc.record({ kind: fc.constant("id" as const), id: anyText }),
  fc.record({ kind: fc.constant("hash" as const), hash: anyCount }),
);
const open = ["queued", "sent", "acknowledged"] as const;
const anyState: fc.Arbitrary<CommandState> = fc.constantFrom(
  ...open,
  ...(["succeeded", "failed", "rejected", "expired", "cancelled"] as const),
);
const place = { type: anyText, region: anyText };
const section = fc.option(anyObject);

/** By kind; what is optional is there or not. */
export const anyRecordOf: { readonly [K in TwinRecord["kind"]]: fc.Arbitrary<TwinRecord & { kind: K }> } = {
  registered: kind("registered", { registration: anyRegistration }),
  registrationChanged: kind("registrationChanged", { registration: anyRegistration }),
  deregistered: kind("deregistered", {}),
  presence: kind(
    "presence",
    { edge: anyEdge, presence: anyPresence },
    {
      reason: anyText,
      announced: fc.record({ status: fc.constantFrom("online", "offline"), sinceMs: anyTime }),
      flapping: fc.constantFrom("started", "ended"),
    },
  ),
  seen: kind("seen", { why: fc.constantFrom("heartbeat", "duplicate", "request") }, { count: fc.nat(), ...place }),
  listening: kind("listening", { session: anyText }),
  telemetry: kind(
    "telemetry",
    { tsMs: anyTime, readings: anyMap(fc.oneof(anyNumber, fc.boolean(), anyText)), identity: anyIdentity },
    {
      ...place,
      tags: anyMap(anyText),
      flags: anyMap(fc.array(anyText, { maxLength: 3 })),
      unchangedSince: anyMap(anyTime),
    },
  ),
  deadLettered: kind(
    "deadLettered",
    {
      ...{ topic: anyText, reason: anyText, detail: anyText, payload: anyText },
      encoding: fc.constantFrom("utf8", "base64"),
    },
    { ...place, broken: fc.array(fc.record({ rule: anyText, metric: anyText }), { maxLength: 3 }) },
  ),
  shadowUpdated: kind(
    "shadowUpdated",
    { shadow: anyText, version: fc.nat(), by: fc.constantFrom("device", "app") },
    { desired: section, reported: section },
  ),
  shadowDeleted: kind("shadowDeleted", { shadow: anyText, version: fc.nat() }),
  commandRequested: kind("commandRequested", {
    ...{ command: anyText, name: anyText, parameters: anyJson },
    expiresAtMs: fc.option(anyTime),
  }),
  commandMoved: kind(
    "commandMoved",
    { command: anyText, to: anyState },
    { progress: anyJson, result: anyJson, reason: anyText },
  ),
};

export const anyRecord: fc.Arbitrary<TwinRecord> = fc.oneof(
  ...(Object.values(anyRecordOf) as fc.Arbitrary<TwinRecord>[]),
);
