/**
 * One run: the system under load, killed again and again, then settled, and judged by what it acknowledged. The run
 * ends with a kill of everything, after which the disk alone is judged, and a last start that brings the sinks up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { seeded } from "../../simulator/random.ts";
import { check, checkStored } from "./checker.ts";
import { collectAll, collectApi, collectStored, statusesByApi } from "./collect.ts";
import type { Violation } from "./facts.ts";
import { get } from "./http.ts";
import { type Fault, planFaults } from "./kill-plan.ts";
import { Load } from "./load.ts";
import { System } from "./system.ts";

export type FaultRunOptions = {
  readonly seed: number;
  /** Faults while the load runs; a start that is killed too counts further. */
  readonly faults: number;
  /** Of load, about. */
  readonly seconds: number;
  readonly devices: number;
  /** Messages per second and device. */
  readonly rate: number;
  readonly say: (line: string) => void;
};

export type FaultReport = {
  readonly violations: readonly Violation[];
  readonly kills: readonly string[];
  /** Of starts after a fault, until the system said that it was up. */
  readonly restartSeconds: readonly number[];
  readonly messages: { sent: number; acknowledged: number; inDoubt: number; resends: number };
  readonly telemetry: { acknowledged: number; logged: number; rows: number };
};

const silenceSeconds = 12;
const restartGraceSeconds = 15;
const settings = {
  DOPPEL_SILENCE_SECONDS: String(silenceSeconds),
  DOPPEL_GRACE_SECONDS: "2",
  DOPPEL_RESTART_GRACE_SECONDS: String(restartGraceSeconds),
  DOPPEL_CHECKPOINT_SECONDS: "1",
};
const finishLimitMs = 60_000;
/** Status is visible within 5 s of what the deadlines say. */
const convergeLimitMs = (restartGraceSeconds + silenceSeconds + 15) * 1_000;
const sinksLimitMs = 30_000;
/** The shortest expiries are over so long after the load has ended. */
const expirySlackMs = 2_000;

export async function runFaults(options: FaultRunOptions): Promise<FaultReport> {
  const system = await System.create(settings);
  const { mqttPort, httpPort } = system;
  const load = new Load({ mqttPort, httpPort, ...options });
  try {
    return await new FaultRun(system, load, options).run();
  } finally {
    load.stop();
    await system.destroy();
  }
}

class FaultRun {
  readonly #system: System;
  readonly #load: Load;
  readonly #options: FaultRunOptions;
  readonly #violations: Violation[] = [];
  readonly #kills: string[] = [];
  readonly #restartSeconds: number[] = [];

  constructor(system: System, load: Load, options: FaultRunOptions) {
    this.#system = system;
    this.#load = load;
    this.#options = options;
  }

  async run(): Promise<FaultReport> {
    const { seed, faults, seconds } = this.#options;
    const random = seeded(seed, "faults");
    await this.#start([]);
    this.#load.start();
    for (const fault of planFaults(random, faults, seconds)) await this.#suffer(fault);
    await sleep(1_000);
    if (!(await this.#load.finish(finishLimitMs))) {
      const evidence = `${this.#load.unacknowledged} messages were not acknowledged within ${finishLimitMs / 1_000} s of the last start`;
      this.#surprise(evidence);
    }

    const steadyUntilMs = Date.now();
    const expected = this.#load.settle();
    await this.#converge(expected);
    const expiriesDueMs = Date.now() - expirySlackMs;
    const api = await collectApi(this.#system.httpPort, expected.keys());
    this.#load.stop();

    this.#kill("both");
    await this.#system.gone();
    const { journal, steady } = this.#load;
    const there = { steady, steadyUntilMs };
    this.#violations.push(...checkStored(journal, await collectStored(this.#system.databaseFolder), there));

    await this.#start([]);
    const sinksDueMs = Date.now();
    await this.#catchUp();
    await this.#stop();
    const collected = await collectAll(this.#system.databaseFolder);
    const facts = { journal, ...collected, api, expected, ...there, sinksDueMs, expiriesDueMs };
    this.#violations.push(...check(facts));
    const logged = collected.log.filter(({ record }) => record.kind === "telemetry").length;
    const acknowledged = [...journal.telemetry.values()].filter((sent) => sent.acknowledged).length;
    return {
      violations: withoutRepeats(this.#violations),
      kills: this.#kills,
      restartSeconds: this.#restartSeconds,
      messages: journal.counts(),
      telemetry: { acknowledged, logged, rows: collected.rows.length },
    };
  }

  async #suffer({ target, afterMs, duringStart }: Fault): Promise<void> {
    await sleep(afterMs);
    if (!this.#system.running) this.#surprise(`the system ended by itself: ${this.#system.output}`);
    else if (target === "stop") await this.#stop();
    else {
      this.#kill(target);
      if (!(await this.#system.gone())) this.#surprise(`Node lived on for 30 s after ${target} was killed`);
    }
    await this.#start(duringStart);
  }

  /** Starts until it is up: a start may be killed as often as `kills` says. */
  async #start(kills: Fault["duringStart"]): Promise<void> {
    for (const kill of kills) {
      const starting = this.#system.start();
      await Promise.race([starting, sleep(kill.afterMs)]);
      this.#kill(kill.target, " during the start");
      // Where PostgreSQL was not there yet to be killed, the start has to be ended all the same.
      if (!(await this.#endedWithin(2_000))) this.#kill("both", " during the start");
      await starting;
      await this.#system.gone();
    }
    const start = await this.#system.start();
    if (start.kind === "ended") throw new Error(`The system did not start (code ${start.code}):\n${start.output}`);
    if (this.#kills.length > 0) this.#restartSeconds.push(start.seconds);
    this.#options.say(`up after ${start.seconds.toFixed(1)} s, ${start.replayedRecords} records replayed`);
  }

  #kill(target: Parameters<System["kill"]>[0], when = ""): void {
    const pids = this.#system.kill(target);
    if (pids.length === 0) return;
    this.#kills.push(`${target}${when}`);
    this.#options.say(`killed ${target}${when} (${pids.length} processes)`);
  }

  async #stop(): Promise<void> {
    const code = await this.#system.stop();
    this.#options.say(`stopped in order, code ${code}`);
    if (code !== 0) this.#surprise(`an orderly end gave the exit code ${code}: ${this.#system.output}`);
  }

  async #endedWithin(limitMs: number): Promise<boolean> {
    for (let waited = 0; waited < limitMs && this.#system.running; waited += 50) await sleep(50);
    return !this.#system.running;
  }

  /** Until apps see what has to be seen, or the time is over: then the checker says what is wrong. */
  async #converge(expected: ReadonlyMap<string, string>): Promise<void> {
    const endMs = performance.now() + convergeLimitMs;
    // The shortest expiries and deadlines pass in any case, so that what happens too much is seen too.
    await sleep(expirySlackMs + 2_000);
    while (performance.now() < endMs) {
      const statuses = await statusesByApi(this.#system.httpPort);
      if ([...expected].every(([device, status]) => statuses.get(device) === status)) return;
      await sleep(500);
    }
  }

  async #catchUp(): Promise<void> {
    const endMs = performance.now() + sinksLimitMs;
    for (let through = 0; through < 2 && performance.now() < endMs; ) {
      await sleep(600); // their numbers are up to 250 ms old
      const { sinkLag } = await get<{ sinkLag: Record<string, number> }>(this.#system.httpPort, "/v1/stats");
      through = Object.values(sinkLag).every((lag) => lag === 0) ? through + 1 : 0;
    }
  }

  #surprise(evidence: string): void {
    this.#violations.push({ kind: "surprise", device: "", evidence });
  }
}

/** What the disk shows after the last kill it shows at the end, too. */
function withoutRepeats(violations: readonly Violation[]): Violation[] {
  return [...new Map(violations.map((violation) => [JSON.stringify(violation), violation])).values()];
}
