/**
 * The judgement over a distributed run: the same checks of what was sent against the log, with what the log, the stored
 * twins and the outbox must be to each other there. Pure, as checker.ts.
 *
 * What is soft (statistics, latest values, dedup windows) may lose its last moments with a host: it is not compared.
 */
import { isDeepStrictEqual } from "node:util";
import { evolve } from "../../core/device/evolve.ts";
import { isSoft } from "../../core/device/publishing.ts";
import { newTwin, type Twin } from "../../core/device/twin.ts";
import { decodeTwin, encodeTwin } from "../../core/device/twin-codec.ts";
import { checkCommandLog, checkCommandStates } from "./check-commands.ts";
import { checkPresence, checkPresenceLog } from "./check-presence.ts";
import { checkShadowLog, checkShadowStates } from "./check-shadows.ts";
import { checkRows, checkTelemetryLog } from "./check-telemetry.ts";
import { checkSinks } from "./checker.ts";
import { byDevice, type Facts, type Logged, type Violation } from "./facts.ts";

/** A record of Kafka that is no copy. */
export type KeptRecord = Logged & {
  readonly id: string;
  /** "device-events/3", and its offset there. */
  readonly place: string;
  readonly placeOffset: number;
  /** Epoch ms, by who published it. */
  readonly loggedAtMs: number;
};

export type DistributedFacts = Omit<Facts, "checkpoints" | "replayFrom" | "log"> & {
  /** `offset` counts through all partitions, one after the other; a device's records are in their order per topic. */
  readonly log: readonly KeptRecord[];
  /** Stored twins. */
  readonly states: ReadonlyMap<string, { readonly twin: Twin; readonly revision: number }>;
  /** Records that the outbox still holds. */
  readonly outbox: number;
};

export function checkDistributed(facts: DistributedFacts): Violation[] {
  const { journal, outbox, states } = facts;
  // What is settled is the whole log's: the revision of a twin counts soft records too, which a new host may not know.
  const api = { ...facts.api, twins: new Map([...facts.api.twins].map(([id, twin]) => [id, whole(twin)])) };
  const twins = new Map([...states].map(([device, { twin }]) => [device, twin]));
  return [
    // A dead letter has no identity but its turn: it may come once more when a gateway dies.
    ...checkTelemetryLog(journal, facts).filter(({ kind }) => kind !== "dead-letter-twice"),
    ...checkShadowLog(journal, facts),
    ...checkCommandLog(journal, facts),
    ...checkPresenceLog(facts, facts),
    ...checkRows(facts),
    ...checkShadowStates({ log: facts.log, api }, twins),
    ...checkCommandStates(facts),
    ...checkPresence(facts),
    ...checkStates(facts),
    ...checkRevisions(facts),
    ...checkSinks(facts),
    ...(outbox === 0
      ? []
      : [{ kind: "outbox-left", device: "", evidence: `${outbox} records are still in it` } as const]),
    ...journal.surprises.map((evidence): Violation => ({ kind: "surprise", device: "", evidence })),
  ];
}

/** What is stored of each twin, and what the API shows of it, is the fold of its durable records. */
function checkStates({ log, states, api }: DistributedFacts): Violation[] {
  const devices = byDevice(log);
  const violations: Violation[] = [];
  for (const [device, records] of devices) {
    const durable = records.filter(({ record }) => !isSoft(record));
    const folded = durable.reduce((twin, { record }) => evolve(twin, record), newTwin(device));
    const stored = states.get(device);
    if (stored === undefined) {
      if (durable.length > 0) violations.push({ kind: "twin-not-fold", device, evidence: "no twin is stored" });
      continue;
    }
    if (!isDeepStrictEqual(durableOf(stored.twin), durableOf(folded))) {
      const evidence = `stored is ${text(stored.twin)}, the log makes ${text(folded)}`;
      violations.push({ kind: "twin-not-fold", device, evidence });
    }
    // Not their status: the devices that were there have left since.
    const shown = namesOf(api.twins.get(device)?.commands ?? []);
    const byLog = namesOf([...folded.commands.open, ...folded.commands.ended]);
    if (!isDeepStrictEqual(shown, byLog)) {
      const evidence = `the API shows the commands ${JSON.stringify(shown)}, the log makes ${JSON.stringify(byLog)}`;
      violations.push({ kind: "api-not-twin", device, evidence });
    }
  }
  for (const device of states.keys())
    if (!devices.has(device))
      violations.push({ kind: "twin-not-fold", device, evidence: "it is stored, and nothing of it is in the log" });
  return violations;
}

/** Each commit of a twin is in the log, in the order of its revisions: the ids of durable records name them. */
function checkRevisions({ log, states }: DistributedFacts): Violation[] {
  return [...byDevice(log)].flatMap(([device, records]): Violation[] => {
    const kept = records as KeptRecord[];
    const numbers = kept.flatMap(({ id, record }) => {
      const [, revision, place] = /^d(\d+)\.(\d+)$/.exec(id) ?? [];
      return isSoft(record) || revision === undefined ? [] : [{ id, revision: Number(revision), place: Number(place) }];
    });
    const violations: Violation[] = [];
    let last = { id: "the beginning", revision: 0, place: -1 };
    for (const each of numbers) {
      const follows = each.revision === last.revision ? each.place > last.place : each.revision === last.revision + 1;
      if (!follows) violations.push({ kind: "revision-order", device, evidence: `${each.id} comes after ${last.id}` });
      last = each;
    }
    const stored = states.get(device)?.revision ?? 0;
    if (stored !== last.revision)
      violations.push({
        kind: "revision-order",
        device,
        evidence: `the log ends with ${last.id}, stored is ${stored}`,
      });
    return violations;
  });
}

function durableOf(twin: Twin): object {
  const { registration, presence, shadows, commands, commandSession } = decodeTwin(encodeTwin(twin));
  return { registration, presence, shadows, commands, commandSession };
}

function text(twin: Twin): string {
  return JSON.stringify(durableOf(twin));
}

function namesOf(commands: readonly { readonly id: string; readonly state: string }[]): object {
  return Object.fromEntries(commands.map(({ id, state }) => [id, state]));
}

function whole<T extends { readonly revision: number }>(twin: T): T {
  return { ...twin, revision: Number.POSITIVE_INFINITY };
}
