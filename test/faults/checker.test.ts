import { beforeEach, describe, expect, test } from "vitest";
import { noMetrics } from "../../core/device/metrics.ts";
import type { CommandMoved, ShadowUpdated, TwinRecord } from "../../core/device/records.ts";
import { check } from "./checker.ts";
import { type Facts, type ViolationKind, violationKinds } from "./facts.ts";
import { healthyFacts } from "./facts-fixture.ts";
import { again, altered, withCheckpoint, withMove, without, withShadow, withTwin } from "./planting.ts";

/** A fault as it would show in the facts. Journals are made anew for each test, so they may be changed. */
type Planted = { readonly kind: ViolationKind; readonly fault: string; readonly plant: (facts: Facts) => Facts };

const planted: readonly Planted[] = [
  {
    kind: "log-gap",
    fault: "a record that is gone from the middle of the log",
    plant: (facts) => ({ ...facts, log: facts.log.toSpliced(3, 1) }),
  },
  {
    kind: "log-gap",
    fault: "a record that is gone from the log's end",
    plant: (facts) => ({ ...facts, log: facts.log.slice(0, -1) }),
  },
  {
    kind: "telemetry-lost",
    fault: "an acknowledged message that is not in the log",
    plant: (facts) => without(facts, isTelemetry),
  },
  {
    kind: "telemetry-twice",
    fault: "a message that was accepted twice",
    plant: (facts) => ({ ...facts, log: [...facts.log, again(facts, isTelemetry)], logEnd: facts.logEnd + 1 }),
  },
  {
    kind: "telemetry-invented",
    fault: "telemetry that nobody sent",
    plant: (facts) => {
      facts.journal.telemetry.delete("there 1 1");
      return facts;
    },
  },
  {
    kind: "telemetry-invented",
    fault: "telemetry with another value than was sent",
    plant: (facts) =>
      altered(facts, isTelemetry, (record) => ({ ...record, readings: { ...record.readings, open: "?" } })),
  },
  {
    kind: "row-lost",
    fault: "a message without its row",
    plant: (facts) => ({ ...facts, rows: facts.rows.filter(({ metric }, index) => metric !== "n" || index > 3) }),
  },
  {
    kind: "row-lost",
    fault: "one reading of a message without its row",
    plant: (facts) => ({ ...facts, rows: facts.rows.toSpliced(1, 1) }),
  },
  {
    kind: "row-twice",
    fault: "a row that is there twice",
    plant: (facts) => ({ ...facts, rows: [...facts.rows, facts.rows[0]!] }),
  },
  {
    kind: "row-twice",
    fault: "a message with rows of two offsets",
    plant: (facts) => ({ ...facts, rows: [...facts.rows, { ...facts.rows[0]!, offset: 999 }] }),
  },
  {
    kind: "row-invented",
    fault: "a row of a value that was not sent",
    plant: (facts) => ({ ...facts, rows: [...facts.rows, { ...facts.rows[1]!, offset: 999 }] }),
  },
  {
    kind: "row-invented",
    fault: "a row with another value than was sent",
    plant: (facts) => ({ ...facts, rows: facts.rows.with(1, { ...facts.rows[1]!, value: "?" }) }),
  },
  {
    kind: "dead-letter-lost",
    fault: "an acknowledged malformed message without a dead letter",
    plant: (facts) => without(facts, isDeadLetter),
  },
  {
    kind: "dead-letter-lost",
    fault: "a dead letter that is in no list",
    plant: (facts) => ({ ...facts, fleetDeadLetters: facts.fleetDeadLetters.slice(1) }),
  },
  {
    kind: "dead-letter-twice",
    fault: "a dead letter that is there more often than it was sent",
    plant: (facts) => ({ ...facts, log: [...facts.log, again(facts, isDeadLetter)] }),
  },
  {
    kind: "dead-letter-invented",
    fault: "a dead letter of a message that was not malformed",
    plant: (facts) => {
      facts.journal.malformed.clear();
      return facts;
    },
  },
  {
    kind: "shadow-update-lost",
    fault: "an acknowledged shadow update that is not in the log",
    plant: (facts) => without(facts, isUpdate),
  },
  {
    kind: "shadow-update-twice",
    fault: "a shadow update that was applied more often than it was sent",
    plant: (facts) => ({ ...facts, log: [...facts.log, again(facts, isUpdate)] }),
  },
  {
    kind: "shadow-update-invented",
    fault: "a shadow update that nobody sent",
    plant: (facts) => altered(facts, isUpdate, (record) => ({ ...record, reported: { ...record.reported, x: 1 } })),
  },
  {
    kind: "shadow-version",
    fault: "a shadow version that was skipped",
    plant: (facts) => altered(facts, isUpdate, (record) => ({ ...record, version: record.version + 1 })),
  },
  {
    kind: "shadow-version",
    fault: "an API that shows an old shadow version",
    plant: (facts) => withShadow(facts, (shadow) => ({ ...shadow, version: shadow.version - 1 })),
  },
  {
    kind: "shadow-answer",
    fault: "an update that was answered with a version that the log gave to another",
    plant: (facts) => {
      for (const sent of facts.journal.updates.values()) if (sent.by === "app") sent.version = 1;
      return facts;
    },
  },
  {
    kind: "shadow-answer",
    fault: "an update that was refused and made all the same",
    plant: (facts) => {
      for (const sent of facts.journal.updates.values()) sent.refused = true;
      return facts;
    },
  },
  {
    kind: "shadow-state",
    fault: "a shadow whose state is not its updates merged",
    plant: (facts) =>
      withShadow(facts, ({ state, version }) => ({ version, state: { ...state, reported: { level: 99 } } })),
  },
  {
    kind: "shadow-delta",
    fault: "a delta that leaves a difference out",
    plant: (facts) =>
      withShadow(facts, ({ state, version }) => ({ version, state: { ...state, delta: { level: 3 } } })),
  },
  {
    kind: "shadow-delta",
    fault: "no delta where there is a difference",
    plant: (facts) => withShadow(facts, ({ state: { delta: _delta, ...state }, version }) => ({ version, state })),
  },
  {
    kind: "command-lost",
    fault: "an accepted command that is not in the log",
    plant: (facts) => ({ ...facts, log: facts.log.filter(({ record }) => !("command" in record)) }),
  },
  {
    kind: "command-twice",
    fault: "a command that was taken twice",
    plant: (facts) => ({ ...facts, log: [...facts.log, again(facts, isRequest)] }),
  },
  {
    kind: "command-invented",
    fault: "a command that nobody sent",
    plant: (facts) => {
      facts.journal.commands.delete("there done");
      return facts;
    },
  },
  {
    kind: "command-ended-twice",
    fault: "a command with two terminal states",
    plant: (facts) => withMove(facts, { command: "done", to: "failed" }),
  },
  {
    kind: "command-ended-twice",
    fault: "a command that moves on after its end",
    plant: (facts) => withMove(facts, { command: "done", to: "sent" }),
  },
  {
    kind: "command-end-unfounded",
    fault: "a command that succeeded without its device's word",
    plant: (facts) => withMove(facts, { command: "open", to: "succeeded" }),
  },
  {
    kind: "command-end-unfounded",
    fault: "a command that expired before its time",
    plant: (facts) => withMove(facts, { command: "open", to: "expired" }),
  },
  {
    kind: "command-word-lost",
    fault: "an acknowledged word of a device that moved nothing",
    plant: (facts) => ({
      ...facts,
      log: facts.log.filter((logged) => !(isMove(logged.record) && logged.record.to === "succeeded")),
    }),
  },
  {
    kind: "command-word-lost",
    fault: "a cancel that was accepted and did nothing",
    plant: (facts) => ({
      ...facts,
      log: facts.log.filter((logged) => !(isMove(logged.record) && logged.record.to === "cancelled")),
    }),
  },
  {
    kind: "command-not-expired",
    fault: "a command that is open after its time",
    plant: (facts) => ({
      ...facts,
      log: facts.log.filter((logged) => !(isMove(logged.record) && logged.record.to === "expired")),
    }),
  },
  {
    kind: "command-not-delivered",
    fault: "an open command that its device, which is there, never got",
    plant: (facts) => {
      facts.journal.commands.get("there open")!.delivered = false;
      return facts;
    },
  },
  {
    kind: "command-state",
    fault: "a list of commands that shows another state than the log",
    plant: (facts) => ({
      ...facts,
      fleetCommands: facts.fleetCommands.map((command) => ({ ...command, state: "queued" })),
    }),
  },
  {
    kind: "presence-not-converged",
    fault: "a device that is there and is listed as offline",
    plant: (facts) => ({
      ...facts,
      api: { ...facts.api, statuses: new Map([...facts.api.statuses, ["there", "offline"]]) },
    }),
  },
  {
    kind: "presence-not-converged",
    fault: "a device that is gone and whose twin says online",
    plant: (facts) => withTwin(facts, "gone", (twin) => ({ ...twin, status: "online" })),
  },
  {
    kind: "presence-announcements",
    fault: "a device that is announced as online twice",
    plant: (facts) => ({ ...facts, log: [...facts.log, again(facts, isAnnouncement)] }),
  },
  {
    kind: "restart-announced",
    fault: "a device that was always there and is announced as offline",
    plant: (facts) => ({ ...facts, steady: ["gone"] }),
  },
  {
    kind: "twin-not-fold",
    fault: "a checkpoint that has a record twice",
    plant: (facts) => withCheckpoint(facts, ({ nextOffset }) => ({ nextOffset: nextOffset - 1 })),
  },
  {
    kind: "twin-not-fold",
    fault: "a checkpoint that lacks a record",
    plant: (facts) => withCheckpoint(facts, ({ nextOffset }) => ({ nextOffset: nextOffset + 1 })),
  },
  {
    kind: "twin-not-fold",
    fault: "a checkpoint that is ahead of the log",
    plant: (facts) => withCheckpoint(facts, () => ({ nextOffset: facts.logEnd + 5 })),
  },
  {
    kind: "twin-not-fold",
    fault: "a replay that begins behind records that no checkpoint has",
    plant: (facts) => ({ ...facts, replayFrom: facts.logEnd }),
  },
  {
    kind: "twin-count",
    fault: "a twin that counts a message less than the log",
    plant: (facts) => withCheckpoint(facts, ({ twin }) => ({ twin: { ...twin, metrics: noMetrics } })),
  },
  {
    kind: "api-not-twin",
    fault: "an API that shows another value than the twin's",
    plant: (facts) =>
      withTwin(facts, "there", (twin) => ({ ...twin, latest: { ...twin.latest, mode: { value: "?", count: 0 } } })),
  },
  {
    kind: "api-not-twin",
    fault: "an API that does not know a device",
    plant: (facts) => ({ ...facts, api: { ...facts.api, twins: new Map() } }),
  },
  {
    kind: "sink-behind",
    fault: "a sink that stopped before the log's end",
    plant: (facts) => ({ ...facts, progress: { ...facts.progress, fleet: 3 } }),
  },
  {
    kind: "surprise",
    fault: "an answer that no rule foresees",
    plant: (facts) => {
      facts.journal.surprises.push("a 418");
      return facts;
    },
  },
];

describe("The checker of the fault test", () => {
  let facts: Facts;
  beforeEach(async () => {
    facts = await healthyFacts();
  });

  test("finds nothing in a run without a fault", () => {
    expect(check(facts)).toEqual([]);
  });

  test.each(planted)("finds $fault ($kind)", ({ kind, plant }) => {
    const violations = check(plant(facts));
    expect(violations.map((violation) => violation.kind)).toContain(kind);
  });

  test("has a planted fault for every kind of violation", () => {
    expect(new Set(planted.map(({ kind }) => kind))).toEqual(new Set(violationKinds));
  });

  test("takes a message in doubt for what it is: there once, or not at all", () => {
    const [key, sent] = [...facts.journal.telemetry].find(([, { acknowledged }]) => acknowledged)!;
    facts.journal.telemetry.set(key, { ...sent, acknowledged: false });
    expect(check(facts)).toEqual([]);
  });
});

function isTelemetry(record: TwinRecord): record is Extract<TwinRecord, { kind: "telemetry" }> {
  return record.kind === "telemetry";
}

function isDeadLetter(record: TwinRecord): boolean {
  return record.kind === "deadLettered";
}

function isUpdate(record: TwinRecord): record is ShadowUpdated {
  return record.kind === "shadowUpdated";
}

function isRequest(record: TwinRecord): boolean {
  return record.kind === "commandRequested";
}

function isMove(record: TwinRecord): record is CommandMoved {
  return record.kind === "commandMoved";
}

function isAnnouncement(record: TwinRecord): boolean {
  return record.kind === "presence" && record.announced?.status === "online";
}
