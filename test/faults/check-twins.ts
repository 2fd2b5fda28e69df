import { isDeepStrictEqual } from "node:util";
import { evolve } from "../../core/device/evolve.ts";
import { entries, latestOf, noMetrics } from "../../core/device/metrics.ts";
import { statusOf } from "../../core/device/presence.ts";
import { newTwin, type Twin } from "../../core/device/twin.ts";
import { decodeTwin, encodeTwin } from "../../core/device/twin-codec.ts";
import { byDevice, type Facts, type Logged, type Stored, type Violation } from "./facts.ts";

/** The log has no gap, and each twin that a start would make (checkpoint and tail) is the fold of its whole log. */
export function checkTwins(stored: Stored): Violation[] {
  const violations = checkOffsets(stored);
  const devices = byDevice(stored.log);
  for (const [device, { nextOffset }] of stored.checkpoints) {
    const end = (devices.get(device)?.at(-1)?.offset ?? -1) + 1;
    if (nextOffset > stored.logEnd || (end === 0 && nextOffset > 0)) {
      const evidence = `its checkpoint is at offset ${nextOffset}, the log ends at ${stored.logEnd} and has ${end === 0 ? "nothing" : "something"} of it`;
      violations.push({ kind: "twin-not-fold", device, evidence });
    }
  }
  for (const [device, twin] of recoveredTwins(stored)) {
    const folded = foldOf(device, devices.get(device) ?? []);
    if (isDeepStrictEqual(comparable(twin), comparable(folded))) continue;
    const evidence = `checkpoint and tail make ${encodeTwin(twin)}, the whole log makes ${encodeTwin(folded)}`;
    violations.push({ kind: "twin-not-fold", device, evidence });
  }
  return violations;
}

/** Each twin as a start makes it: what is below `replayFrom` only the checkpoints know. */
export function recoveredTwins({ log, checkpoints, replayFrom }: Stored): Map<string, Twin> {
  const twins = new Map<string, Twin>();
  for (const [device, records] of byDevice(log)) {
    const { twin, nextOffset } = checkpoints.get(device) ?? { twin: newTwin(device), nextOffset: 0 };
    const tail = records.filter(({ offset }) => offset >= nextOffset && offset >= replayFrom);
    twins.set(
      device,
      tail.reduce((state, { record }) => evolve(state, record), twin),
    );
  }
  return twins;
}

/** The twin counts each accepted message once and shows the newest; the API shows the twin that the log makes. */
export function checkTwinValues({ log, journal, api }: Facts, twins: ReadonlyMap<string, Twin>): Violation[] {
  return [...byDevice(log)].flatMap(([device, records]) => {
    const violations: Violation[] = [];
    const numbers = records.flatMap(({ record }) =>
      record.kind === "telemetry" ? [{ tsMs: record.tsMs, n: record.readings.n }] : [],
    );
    const { count = 0, value } = latestOf(twins.get(device)?.metrics ?? noMetrics, "n") ?? {};
    const acknowledged = [...journal.telemetry.values()].filter((sent) => sent.device === device && sent.acknowledged);
    if (count !== numbers.length || count < acknowledged.length) {
      const evidence = `its twin counts ${count} messages; the log has ${numbers.length}, acknowledged were ${acknowledged.length}`;
      violations.push({ kind: "twin-count", device, evidence });
    }
    const newest = numbers.reduce((latest, each) => (each.tsMs >= latest.tsMs ? each : latest), { tsMs: -1, n: value });
    if (newest.n !== value)
      violations.push({
        kind: "twin-count",
        device,
        evidence: `its twin's latest n is ${value}, the newest one ${newest.n}`,
      });
    const answer = api.twins.get(device);
    if (answer === undefined) {
      violations.push({ kind: "api-not-twin", device, evidence: "the API does not know it" });
      return violations;
    }
    const then = foldOf(device, records.slice(0, answer.revision));
    const shown = shownOf(answer);
    const byLog = shownOf({
      revision: then.revision,
      status: statusOf(then.presence),
      latest: Object.fromEntries(entries(then.metrics)),
      commands: [...then.commands.open, ...then.commands.ended],
    });
    if (!isDeepStrictEqual(shown, byLog)) {
      const evidence = `the API shows ${JSON.stringify(shown)}, the first ${answer.revision} records make ${JSON.stringify(byLog)}`;
      violations.push({ kind: "api-not-twin", device, evidence });
    }
    return violations;
  });
}

function checkOffsets({ log, logEnd }: Stored): Violation[] {
  const violations: Violation[] = [];
  for (const [index, { offset, device }] of log.entries()) {
    if (offset === index) continue;
    violations.push({ kind: "log-gap", device, evidence: `offset ${offset} stands where ${index} should` });
    break;
  }
  if (logEnd !== log.length)
    violations.push({ kind: "log-gap", device: "", evidence: `${log.length} records up to the end at ${logEnd}` });
  return violations;
}

function foldOf(device: string, records: readonly Logged[]): Twin {
  return records.reduce((twin, { record }) => evolve(twin, record), newTwin(device));
}

/** As it comes out of a checkpoint: −0 and absent fields are told apart no more. */
function comparable(twin: Twin): Twin {
  return decodeTwin(encodeTwin(twin));
}

type Showable = {
  readonly revision: number;
  readonly status: string;
  readonly latest: Readonly<Record<string, { readonly value: unknown; readonly count: number }>>;
  readonly commands: readonly { readonly id: string; readonly state: string }[];
};

function shownOf({ revision, status, latest, commands }: Showable): object {
  return {
    revision,
    status,
    latest: Object.fromEntries(Object.entries(latest).map(([metric, { value, count }]) => [metric, { value, count }])),
    commands: Object.fromEntries(commands.map(({ id, state }) => [id, state])),
  };
}
