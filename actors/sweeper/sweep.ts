/**
 * Finds the twins whose deadline nobody watches: their host died, or let them go, and no message has brought them to
 * another one since. A few actors share the fleet, each with a recurring Dapr reminder, so that a sweep goes on wherever a
 * host is left.
 */
import type { Membership } from "../../ports/membership/port.ts";
import type { TwinStateStore } from "../../ports/twin-state/port.ts";

/** Actor type and reminder. An actor's id is the number of its shard. */
export const deadlineSweeper = { type: "DeadlineSweeper", reminder: "sweep" } as const;

/** At most so many twins in one sweep: a dead host's are spread over some seconds, not loaded at once. */
const wakesPerSweep = 250;

export type SweepParts = {
  readonly store: Pick<TwinStateStore, "overdue">;
  readonly membership: Pick<Membership, "members">;
  readonly now: () => number;
  /** Of how many equal parts of the fleet a sweeper takes one; the same in every process. */
  readonly shards: number;
  /** Gives the twin a `deadline` turn at its actor. */
  readonly wake: (device: string) => Promise<unknown>;
};

export type Swept = { readonly found: number; readonly woken: number };

/** One sweep of a shard. Rejects when store or membership do not answer: the next reminder tries again. */
export async function sweep(shard: number, { store, membership, now, shards, wake }: SweepParts): Promise<Swept> {
  const members = await membership.members();
  const alive = members.filter((member) => member.role === "actors" && member.alive).map(({ id }) => id);
  const devices = await store.overdue({ shard, shards, alive, nowMs: now(), limit: wakesPerSweep });
  const woken = await Promise.allSettled(devices.map(wake));
  return { found: devices.length, woken: woken.filter(({ status }) => status === "fulfilled").length };
}

/** Keeps one sweep of each shard at a time, and counts. */
export class Sweeper {
  readonly #parts: SweepParts;
  readonly #sweeping = new Set<number>();
  #woken = 0;

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  /** Twins woken since the start. */
  get woken(): number {
    return this.#woken;
  }

  /** @param id of the sweeper's actor: the shard's number */
  async sweep(id: string): Promise<void> {
    const shard = Number(id);
    if (!Number.isInteger(shard) || shard < 0 || shard >= this.#parts.shards || this.#sweeping.has(shard)) return;
    this.#sweeping.add(shard);
    try {
      const { woken } = await sweep(shard, this.#parts);
      this.#woken += woken; // not `+= await`: shards are swept side by side
    } finally {
      this.#sweeping.delete(shard);
    }
  }
}
