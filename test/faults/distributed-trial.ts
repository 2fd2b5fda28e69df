/**
 * The distributed system under faults, as native processes: parts of it are killed or stand still while the rest goes on,
 * and its supervisor starts again what ended. Judged when every host has stopped and the sinks are through.
 *
 * The broker lives: it answers for what it has acknowledged to devices, and keeps what gateways have not.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { type NativeSystem, startNative } from "../../deploy/native/system.ts";
import { openPool } from "../../ports/postgres/pool.ts";
import { pick, type Random, seeded } from "../../simulator/random.ts";
import { checkDistributed, type KeptRecord } from "./check-distributed.ts";
import { collectDistributed, countOutbox, countSinkLag } from "./distributed-collect.ts";
import { type DistributedFault, planDistributedFaults } from "./distributed-plan.ts";
import type { Violation } from "./facts.ts";
import type { Journal } from "./journal.ts";
import type { Judgement, Settled, Trial, TrialOptions } from "./trial.ts";
import { longestWaits, type Trouble } from "./waits.ts";

export type DistributedTrialOptions = TrialOptions & {
  readonly brokers?: 1 | 3;
  readonly silenceSeconds?: number;
  readonly shortestPauseMs?: number;
  readonly longestPauseMs?: number;
};

const graceSeconds = 2;
const upLimitMs = 60_000;
/** Longer than a record of a dead host lies in the outbox until another one looks for it. */
const drainLimitMs = 45_000;

export async function openDistributedTrial(options: DistributedTrialOptions): Promise<Trial> {
  return new DistributedTrial(options);
}

class DistributedTrial implements Trial {
  readonly exactlyOnceFrom = "pubcomp";
  readonly kills: string[] = [];
  readonly restartSeconds: number[] = [];
  readonly #options: DistributedTrialOptions;
  readonly #silenceSeconds: number;
  readonly #random: Random;
  readonly #folder: string;
  readonly #violations: Violation[] = [];
  readonly #troubles: Trouble[] = [];
  #native: NativeSystem | null = null;

  constructor(options: DistributedTrialOptions) {
    this.#options = options;
    this.#silenceSeconds = options.silenceSeconds ?? 25;
    this.#random = seeded(options.seed, "faults");
    this.#folder = mkdtempSync("/tmp/doppel-faults-"); // not TMPDIR: a socket's path must be short
    chmodSync(this.#folder, 0o711); // the database's user passes through when we are root
  }

  get #system(): NativeSystem {
    return this.#native!;
  }

  get mqttPort(): number {
    return Number(new URL(this.#system.mqttUrl).port);
  }

  get httpPort(): number {
    return Number(new URL(this.#system.httpUrl).port);
  }

  get convergeLimitMs(): number {
    return (this.#silenceSeconds + graceSeconds + 20) * 1_000;
  }

  async start(): Promise<void> {
    const startedAt = performance.now();
    this.#native = await startNative({
      folder: this.#folder,
      ports: "free",
      brokers: this.#options.brokers ?? 1,
      env: { DOPPEL_SILENCE_SECONDS: String(this.#silenceSeconds), DOPPEL_GRACE_SECONDS: String(graceSeconds) },
    });
    this.#options.say(`up after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  }

  async disturb(): Promise<void> {
    const { faults, seconds, shortestPauseMs = 3_000, longestPauseMs = 12_000 } = this.#options;
    const plan = planDistributedFaults(this.#random, { count: faults, seconds, shortestPauseMs, longestPauseMs });
    let over = Promise.resolve();
    for (const fault of plan) {
      if (!fault.overlaps) await over;
      await sleep(fault.afterMs);
      const before = over;
      const suffered = this.#suffer(fault);
      over = Promise.all([before, suffered]).then(() => {});
      over.catch(() => {}); // awaited in time
    }
    await over;
  }

  /** A host dies at the very moment: the silence of its devices is noticed by others. */
  async deserted(): Promise<void> {
    const host = pick(this.#random, this.#names("actors"));
    this.#options.say(`killed ${host} and its sidecar, when devices had just left`);
    await Promise.all([this.#system.process(host).kill(), this.#system.process(`${host}-daprd`).kill()]);
  }

  async judge(settled: Settled): Promise<Judgement> {
    await sleep((graceSeconds + 2) * 1_000);
    const pool = openPool(this.#system.places.databaseUrl);
    try {
      await this.#drained(pool);
      for (const role of ["gateways", "apis", "actors"])
        await Promise.all(this.#names(role).map((name) => this.#system.process(name).stop()));
      const sinksDueMs = Date.now();
      await this.#caughtUp(pool);
      const { copies, ...collected } = await collectDistributed(pool, this.#system.places.kafkaBrokers);
      const violations = checkDistributed({ ...settled, ...collected, sinksDueMs });
      const { log, rows } = collected;
      return {
        violations: [...this.#violations, ...violations],
        logged: log.filter(({ record }) => record.kind === "telemetry").length,
        rows: rows.length,
        remarks: [`${copies} copies in Kafka`, ...this.#waits(settled.journal, log, settled.steady)],
      };
    } finally {
      await pool.end();
    }
  }

  async destroy(): Promise<void> {
    await this.#native?.stop();
    if (process.env.DOPPEL_FAULTS_KEEP !== "yes") rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #suffer(fault: DistributedFault): Promise<void> {
    const { kind } = fault;
    const fromMs = Date.now();
    const names = this.#victims(fault);
    this.kills.push(kind);
    this.#options.say(`${kind}: ${names.join(", ")}`);
    if (kind === "hosts scaled 1, 3, 2") for (const count of [1, 3, 2]) await this.#system.scale("actors", count);
    else if (kind.includes("paused")) await this.#pause(names, fault.pausedMs);
    else await Promise.all(names.map((name) => this.#system.processes.get(name)?.crash()));
    await this.#up();
    const untilMs = Date.now();
    this.#troubles.push({ kind, fromMs, untilMs });
    this.restartSeconds.push((untilMs - fromMs) / 1_000);
    this.#options.say(`  up again after ${((untilMs - fromMs) / 1_000).toFixed(1)} s (${kind})`);
  }

  #victims({ kind, which }: DistributedFault): string[] {
    const one = (role: string) => {
      const names = this.#names(role);
      return names[Math.floor(which * names.length)]!;
    };
    switch (kind) {
      case "host application killed":
      case "host application paused":
        return [one("actors")];
      case "host sidecar killed":
        return [`${one("actors")}-daprd`];
      case "host killed, both":
      case "host paused, both": {
        const host = one("actors");
        return [host, `${host}-daprd`];
      }
      case "hosts scaled 1, 3, 2":
        return this.#names("actors");
      case "gateway application killed":
        return [one("gateways")];
      case "gateway sidecar killed":
        return [`${one("gateways")}-daprd`];
      case "Kafka broker killed":
        return [one("kafka")];
      case "Redis killed":
        return ["redis"];
      case "PostgreSQL killed":
        return ["postgres"];
      case "placement killed":
        return ["placement"];
      case "scheduler killed":
        return ["scheduler"];
      case "sinks killed":
        return [one("sinks")];
      case "apis killed":
        return [one("apis")];
    }
  }

  async #pause(names: readonly string[], ms: number): Promise<void> {
    await Promise.all(names.map((name) => this.#system.processes.get(name)?.pause()));
    await sleep(ms);
    await Promise.all(names.map((name) => this.#system.processes.get(name)?.resume()));
  }

  /** Every process runs, and every role says that it is ready. */
  async #up(): Promise<void> {
    const endMs = performance.now() + upLimitMs;
    const down = () => this.#system.status().filter(({ state }) => state !== "running" && state !== "paused");
    while (down().length > 0 && performance.now() < endMs) await sleep(50);
    try {
      await this.#system.ready(Math.max(1, endMs - performance.now()));
    } catch (error) {
      this.#surprise((error as Error).message);
    }
    for (const { name, state } of down()) this.#surprise(`${name} is ${state} after ${upLimitMs / 1_000} s`);
  }

  /** Names of the processes of a role, or of Kafka's brokers, without their sidecars. */
  #names(role: string): string[] {
    return [...this.#system.processes.keys()].filter((name) => new RegExp(`^${role}(-\\d+)?$`).test(name));
  }

  async #drained(pool: Pool): Promise<void> {
    const endMs = performance.now() + drainLimitMs;
    while ((await countOutbox(pool)) > 0) {
      if (performance.now() > endMs) {
        this.#surprise(`the outbox was not empty ${drainLimitMs / 1_000} s after the last fault`);
        return;
      }
      await sleep(500);
    }
  }

  async #caughtUp(pool: Pool): Promise<void> {
    const endMs = performance.now() + drainLimitMs;
    while ((await countSinkLag(pool, this.#system.places.kafkaBrokers)) > 0 && performance.now() < endMs)
      await sleep(300);
  }

  #waits(journal: Journal, log: readonly KeptRecord[], steady: readonly string[]): string[] {
    const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
    return [...longestWaits(journal, log, steady, this.#troubles)].map(
      ([kind, { acknowledged, logged, answered }]) =>
        `longest waits, ${kind}: PUBACK ${seconds(acknowledged)}, telemetry in Kafka ${seconds(logged)}, shadow answer ${seconds(answered)}`,
    );
  }

  #surprise(evidence: string): void {
    this.#violations.push({ kind: "surprise", device: "", evidence });
  }
}
