import { expect, test } from "vitest";
import { evolve } from "../../core/device/evolve.ts";
import { isSoft } from "../../core/device/publishing.ts";
import { topicOf } from "../../core/device/records.ts";
import { newTwin } from "../../core/device/twin.ts";
import { checkDistributed, type DistributedFacts, type KeptRecord } from "./check-distributed.ts";
import { byDevice, type ViolationKind } from "./facts.ts";
import { healthyFacts } from "./facts-fixture.ts";
import { longestWaits } from "./waits.ts";

/** The healthy run of the embedded checker, as the distributed mode would have kept it: a commit for each durable record. */
async function healthy(): Promise<DistributedFacts> {
  const { checkpoints: _, replayFrom: __, ...facts } = await healthyFacts();
  const revisions = new Map<string, number>();
  const log = facts.log.map((logged): KeptRecord => {
    const { device, record, offset } = logged;
    const revision = (revisions.get(device) ?? 0) + (isSoft(record) ? 0 : 1);
    revisions.set(device, revision);
    const id = isSoft(record) ? `t${offset}.0` : `d${revision}.0`;
    return { ...logged, id, place: `${topicOf(record)}/0`, placeOffset: offset, loggedAtMs: record.atMs };
  });
  const states = new Map(
    [...byDevice(log)].map(([device, records]) => {
      const durable = records.filter(({ record }) => !isSoft(record));
      const twin = durable.reduce((state, { record }) => evolve(state, record), newTwin(device));
      return [device, { twin, revision: revisions.get(device)! }] as const;
    }),
  );
  return { ...facts, log, states, outbox: 0 };
}

function kinds(facts: DistributedFacts): Set<ViolationKind> {
  return new Set(checkDistributed(facts).map(({ kind }) => kind));
}

test("a run in which all went well has no violation", async () => {
  expect(checkDistributed(await healthy())).toEqual([]);
});

test("records that the outbox still holds are found", async () => {
  expect(kinds({ ...(await healthy()), outbox: 3 })).toEqual(new Set(["outbox-left"]));
});

test("a commit that never came to the log is found, whatever it was", async () => {
  const facts = await healthy();
  for (const { id, device, record } of facts.log.filter((kept) => !isSoft(kept.record))) {
    const log = facts.log.filter((kept) => kept.id !== id || kept.device !== device);
    expect(kinds({ ...facts, log }), `${device} ${id} ${record.kind}`).toContain("revision-order");
  }
});

test("a commit that came before an earlier one is found", async () => {
  const facts = await healthy();
  const log = [...facts.log];
  const [one, other] = log.flatMap(({ device, record }, at) => (device === "there" && !isSoft(record) ? [at] : []));
  [log[one!], log[other!]] = [log[other!]!, log[one!]!];
  expect(kinds({ ...facts, log })).toContain("revision-order");
});

test("a stored twin that is not what the log makes is found, and one that is not there", async () => {
  const facts = await healthy();
  const { twin, revision } = facts.states.get("there")!;
  const wrong = new Map([...facts.states, ["there", { twin: { ...twin, commandSession: "x" }, revision }]]);
  expect(kinds({ ...facts, states: wrong })).toEqual(new Set(["twin-not-fold"]));
  const { states } = facts;
  const missing = new Map([...states].filter(([device]) => device !== "there"));
  expect(kinds({ ...facts, states: missing })).toContain("twin-not-fold");
});

test("an API that shows other commands than the log makes is found", async () => {
  const facts = await healthy();
  const twins = new Map([...facts.api.twins].map(([id, twin]) => [id, { ...twin, commands: [] }]));
  expect(kinds({ ...facts, api: { ...facts.api, twins } })).toEqual(new Set(["api-not-twin"]));
});

test("a dead letter that came again is no violation, since nothing follows from it", async () => {
  const facts = await healthy();
  const letter = facts.log.find(({ record }) => record.kind === "deadLettered")!;
  const log = [...facts.log, { ...letter, id: "t999.0", offset: facts.logEnd }];
  const progress = { timeseries: log.length, fleet: log.length };
  expect(checkDistributed({ ...facts, log, logEnd: log.length, progress })).toEqual([]);
});

test("the longest waits are told by what was wrong when the message went out", async () => {
  const { journal, log } = await healthy();
  const [sent] = journal.telemetry.values();
  Object.assign(sent!, { sentMs: 10_000, acknowledgedMs: 10_020 });
  const logged = log.map((kept) => ({ ...kept, loggedAtMs: 14_000 }));
  const troubles = [
    { kind: "PostgreSQL killed", fromMs: 5_000, untilMs: 6_000 },
    { kind: "Redis killed", fromMs: 50_000, untilMs: 51_000 },
  ];
  expect(longestWaits(journal, logged, [sent!.device], troubles)).toEqual(
    new Map([["PostgreSQL killed", { acknowledged: 20, logged: 4_000, answered: 0 }]]),
  );
  expect(longestWaits(journal, logged, [], troubles)).toEqual(new Map());
});
