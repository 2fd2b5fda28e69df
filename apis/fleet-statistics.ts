/** The numbers of the fleet: the index's counts, and what only the running process knows. */
import type { CommittedTurn } from "../actors/host/port.ts";
import type { FleetIndex, FleetStats } from "../ports/fleet-index/port.ts";
import type { ClusterState } from "./cluster.ts";

export type Statistics = FleetStats & {
  /** Messages of devices per second, over the last five seconds. */
  readonly messagesPerSecond: number;
  readonly twinsInMemory: number;
  /** By reason, since ever. */
  readonly deadLetters: Readonly<Record<string, number>>;
  /** Records that are committed and not yet in the projection. */
  readonly sinkLag: Readonly<Record<string, number>>;
};

const windowSeconds = 5;
/** Statistics are this fresh: however many ask, the database is asked once. */
const freshMs = 500;

type StatisticsParts = {
  readonly fleet: FleetIndex;
  readonly cluster: () => Promise<Pick<ClusterState, "twinsInMemory" | "sinkLag">>;
  readonly now: () => number;
};

export class FleetStatistics {
  readonly #parts: StatisticsParts;
  /** Messages of the newest seconds; the second with number s is in slot s % length. */
  readonly #perSecond = new Array<number>(windowSeconds + 1).fill(0);
  #second: number;
  #newest: { readonly atMs: number; readonly statistics: Promise<Statistics> } | null = null;

  constructor(parts: StatisticsParts) {
    this.#parts = parts;
    this.#second = Math.floor(parts.now() / 1_000);
  }

  /** To be called with every committed turn. */
  count(turns: readonly CommittedTurn[]): void {
    let messages = 0;
    for (const { records } of turns) {
      for (const record of records) {
        if (record.kind === "telemetry" || record.kind === "seen" || record.kind === "deadLettered") messages += 1;
      }
    }
    this.#advance();
    const slot = this.#second % this.#perSecond.length;
    this.#perSecond[slot] = (this.#perSecond[slot] ?? 0) + messages;
  }

  read(): Promise<Statistics> {
    const atMs = this.#parts.now();
    if (this.#newest === null || atMs - this.#newest.atMs >= freshMs) {
      const statistics = this.#collect();
      this.#newest = { atMs, statistics };
      statistics.catch(() => {
        this.#newest = null;
      });
    }
    return this.#newest.statistics;
  }

  async #collect(): Promise<Statistics> {
    const { fleet, cluster } = this.#parts;
    const [stats, deadLetters, { twinsInMemory, sinkLag }] = await Promise.all([
      fleet.stats(),
      fleet.deadLetterCounts(),
      cluster(),
    ]);
    return {
      ...stats,
      messagesPerSecond: this.#messagesPerSecond(),
      twinsInMemory,
      deadLetters,
      sinkLag,
    };
  }

  /** Over whole seconds only: the one that is under way would always look too small. */
  #messagesPerSecond(): number {
    this.#advance();
    const running = this.#second % this.#perSecond.length;
    const whole = this.#perSecond.filter((_, slot) => slot !== running);
    return whole.reduce((sum, messages) => sum + messages, 0) / windowSeconds;
  }

  #advance(): void {
    const second = Math.floor(this.#parts.now() / 1_000);
    const empty = Math.min(second - this.#second, this.#perSecond.length);
    for (let step = 0; step < empty; step += 1) this.#perSecond[(second - step) % this.#perSecond.length] = 0;
    if (second > this.#second) this.#second = second;
  }
}
