/**
 * One run: a system under load, disturbed again and again, then settled, and judged by what it acknowledged. Both modes
 * run here, with the same load and the same checks; what differs is in their trials.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { collectApi, statusesByApi } from "./collect.ts";
import { type DistributedTrialOptions, openDistributedTrial } from "./distributed-trial.ts";
import { openEmbeddedTrial } from "./embedded-trial.ts";
import type { Violation } from "./facts.ts";
import { Load } from "./load.ts";
import type { Judgement, Trial } from "./trial.ts";

export type FaultRunOptions = DistributedTrialOptions & {
  readonly mode: "embedded" | "distributed";
  readonly devices: number;
  /** Messages per second and device. */
  readonly rate: number;
};

export type FaultReport = {
  readonly violations: readonly Violation[];
  readonly kills: readonly string[];
  /** After each fault, until the system was up. */
  readonly restartSeconds: readonly number[];
  readonly messages: { sent: number; acknowledged: number; inDoubt: number; resends: number };
  readonly telemetry: { acknowledged: number; logged: number; rows: number };
  readonly remarks: readonly string[];
};

const finishLimitMs = 60_000;
/** The shortest expiries are over so long after the load has ended. */
const expirySlackMs = 2_000;

export async function runFaults(options: FaultRunOptions): Promise<FaultReport> {
  const trial = await (options.mode === "embedded" ? openEmbeddedTrial(options) : openDistributedTrial(options));
  let load: Load | null = null;
  try {
    await trial.start();
    load = new Load({ ...options, ...placesOf(trial) });
    return await run(trial, load);
  } finally {
    load?.stop();
    await trial.destroy();
  }
}

async function run(trial: Trial, load: Load): Promise<FaultReport> {
  const surprises: Violation[] = [];
  load.start();
  await trial.disturb();
  await sleep(1_000);
  if (!(await load.finish(finishLimitMs))) {
    const evidence = `${load.unacknowledged} messages were not acknowledged within ${finishLimitMs / 1_000} s of the last start`;
    surprises.push({ kind: "surprise", device: "", evidence });
  }

  const steadyUntilMs = Date.now();
  const expected = load.settle();
  await trial.deserted();
  await converge(trial, expected);
  const expiriesDueMs = Date.now() - expirySlackMs;
  const api = await collectApi(trial.httpPort, expected.keys());
  load.stop();

  const { journal, steady } = load;
  const judgement = await trial.judge({ journal, api, expected, expiriesDueMs, steady, steadyUntilMs });
  return reportOf(trial, load, judgement, surprises);
}

/** Until apps see what has to be seen, or the time is over: then the checker says what is wrong. */
async function converge(trial: Trial, expected: ReadonlyMap<string, string>): Promise<void> {
  const endMs = performance.now() + trial.convergeLimitMs;
  // The shortest expiries and deadlines pass in any case, so that what happens too much is seen too.
  await sleep(expirySlackMs + 2_000);
  while (performance.now() < endMs) {
    const statuses = await statusesByApi(trial.httpPort).catch(() => new Map<string, string>());
    if ([...expected].every(([device, status]) => statuses.get(device) === status)) return;
    await sleep(500);
  }
}

function placesOf({ mqttPort, httpPort, exactlyOnceFrom }: Trial) {
  return { mqttPort, httpPort, exactlyOnceFrom };
}

function reportOf(
  { kills, restartSeconds }: Trial,
  { journal }: Load,
  { violations, logged, rows, remarks }: Judgement,
  surprises: readonly Violation[],
): FaultReport {
  const acknowledged = [...journal.telemetry.values()].filter((sent) => sent.acknowledged).length;
  return {
    violations: withoutRepeats([...surprises, ...violations]),
    kills,
    restartSeconds,
    messages: journal.counts(),
    telemetry: { acknowledged, logged, rows },
    remarks,
  };
}

/** What the disk shows after the last kill it shows at the end, too. */
function withoutRepeats(violations: readonly Violation[]): Violation[] {
  return [...new Map(violations.map((violation) => [JSON.stringify(violation), violation])).values()];
}
