/**
 * The embedded system under faults: killed again and again, and started again by us. Judged twice: by its disk after a
 * kill of everything, and when a last start has brought the sinks up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { seeded } from "../../simulator/random.ts";
import { check, checkStored } from "./checker.ts";
import { collectAll, collectStored } from "./collect.ts";
import type { Violation } from "./facts.ts";
import { get } from "./http.ts";
import { type Fault, planFaults } from "./kill-plan.ts";
import { System } from "./system.ts";
import type { Judgement, Settled, Trial, TrialOptions } from "./trial.ts";

const silenceSeconds = 12;
const restartGraceSeconds = 15;
const settings = {
  DOPPEL_SILENCE_SECONDS: String(silenceSeconds),
  DOPPEL_GRACE_SECONDS: "2",
  DOPPEL_RESTART_GRACE_SECONDS: String(restartGraceSeconds),
  DOPPEL_CHECKPOINT_SECONDS: "1",
};
const sinksLimitMs = 30_000;

export async function openEmbeddedTrial(options: TrialOptions): Promise<Trial> {
  return new EmbeddedTrial(await System.create(settings), options);
}

class EmbeddedTrial implements Trial {
  readonly exactlyOnceFrom = "pubrec";
  /** Status is visible within 5 s of what the deadlines say. */
  readonly convergeLimitMs = (restartGraceSeconds + silenceSeconds + 15) * 1_000;
  readonly kills: string[] = [];
  readonly restartSeconds: number[] = [];
  readonly #system: System;
  readonly #options: TrialOptions;
  readonly #violations: Violation[] = [];

  constructor(system: System, options: TrialOptions) {
    this.#system = system;
    this.#options = options;
  }

  get mqttPort(): number {
    return this.#system.mqttPort;
  }

  get httpPort(): number {
    return this.#system.httpPort;
  }

  start(): Promise<void> {
    return this.#start([]);
  }

  async disturb(): Promise<void> {
    const { seed, faults, seconds } = this.#options;
    for (const fault of planFaults(seeded(seed, "faults"), faults, seconds)) await this.#suffer(fault);
  }

  async deserted(): Promise<void> {}

  async judge(settled: Settled): Promise<Judgement> {
    const { journal } = settled;
    this.#kill("both");
    await this.#system.gone();
    this.#violations.push(...checkStored(journal, await collectStored(this.#system.databaseFolder), settled));

    await this.#start([]);
    const sinksDueMs = Date.now();
    await this.#catchUp();
    await this.#stop();
    const collected = await collectAll(this.#system.databaseFolder);
    this.#violations.push(...check({ ...collected, ...settled, sinksDueMs }));
    const logged = collected.log.filter(({ record }) => record.kind === "telemetry").length;
    return { violations: this.#violations, logged, rows: collected.rows.length, remarks: [] };
  }

  destroy(): Promise<void> {
    return this.#system.destroy();
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
    if (this.kills.length > 0) this.restartSeconds.push(start.seconds);
    this.#options.say(`up after ${start.seconds.toFixed(1)} s, ${start.replayedRecords} records replayed`);
  }

  #kill(target: Parameters<System["kill"]>[0], when = ""): void {
    const pids = this.#system.kill(target);
    if (pids.length === 0) return;
    this.kills.push(`${target}${when}`);
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
