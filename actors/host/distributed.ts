/**
 * Device twins on one of many hosts: who owns a twin is Dapr's to say, what a turn means is the core's, and this makes the
 * turns durable: state and records in one commit of the fenced store, or, where nothing but soft state changes, records
 * straight in the log.
 *
 * H1 One batch of turns per twin at a time; memory moves only after the commit, so a failed one leaves nothing behind.
 * H2 The order is: commit, then sends and listeners, then the replies. A batch is answered whole, or not taken at all.
 * H3 A commit that is refused as stale says that another host had the twin: it is read again before the next turn.
 * H4 Whatever this host is not sure of (it was paused, its sidecar died) is read again before the next turn.
 * H5 A deadline is a call to the actor, wherever it lives now: a host that lost a twin unheard judges nobody by old memory.
 */
import type { Send, TwinContext } from "../../core/device/inputs.ts";
import type { TwinPolicy } from "../../core/device/policy.ts";
import { addressedSend } from "../../core/wire/send-wire.ts";
import type { Downlink } from "../../ports/downlink/port.ts";
import type { RecordPublisher } from "../../ports/record-log/port.ts";
import type { SoftStateStore } from "../../ports/soft-state/port.ts";
import type { TwinStateStore } from "../../ports/twin-state/port.ts";
import { type NamedTurn, type TurnsAnswer, twinUnreadable } from "../device/turns-wire.ts";
import { lettersOf } from "./dead-letters.ts";
import { DurableCommit } from "./durable-commit.ts";
import { OutboxPump } from "./outbox-pump.ts";
import type { CommittedTurn } from "./port.ts";
import { SeatDeadlines } from "./seat-deadlines.ts";
import { newSeat, type Seat, SeatLoader } from "./seats.ts";
import { SoftWriter } from "./soft-writer.ts";
import { decideBatch, type TurnBatch } from "./turn-batch.ts";

export type DistributedHostOptions = {
  readonly store: TwinStateStore;
  readonly publisher: RecordPublisher;
  readonly soft: SoftStateStore;
  readonly downlink: Downlink;
  /** Epoch ms. */
  readonly now: () => number;
  readonly policyOf: (type: string) => TwinPolicy;
  readonly rulesOf?: TwinContext["rulesOf"];
  readonly openRegistry: boolean;
  /** Turns of many twins wait so long for each other to share a commit. */
  readonly flushMs: number;
  /** Soft state is saved this often. */
  readonly softMs: number;
  /** A twin without a turn for this long leaves memory, if Dapr has not said so before. */
  readonly idleMs: number;
  /** Gives the twin a `deadline` turn, through the actor's address. Resolves when it had it; rejects if it never will. */
  readonly wake: (device: string) => Promise<unknown>;
  readonly observeCommit?: (seconds: number, writes: number) => void;
  readonly logger: {
    readonly error: (about: object, message: string) => void;
    readonly warn: (about: object, message: string) => void;
  };
};

export type DistributedHostStats = {
  readonly twinsInMemory: number;
  readonly deadlines: number;
  /** Batches that are being decided or wait for their commit. */
  readonly pending: number;
  readonly outboxWaiting: number;
  /** Since the start. */
  readonly turns: number;
  readonly stale: number;
  readonly repeated: number;
  readonly unsent: number;
  readonly unreadable: number;
  /** Why the log did not take the newest records that it was given; null if it did. */
  readonly logTrouble: string | null;
};

export interface DistributedHost {
  /** The actor's method: takes all turns, or says why they have to come again. Never rejects. */
  turns(device: string, turns: readonly NamedTurn[]): Promise<TurnsAnswer>;
  /** The actor lives elsewhere from now on. Returns at once. */
  deactivated(device: string): void;
  /** We may have missed something: every twin is read again before its next turn. */
  doubtAll(): void;
  /** Policies have changed: every deadline is judged anew. */
  policiesChanged(): void;
  /** Called after each commit. Gives the function that ends it. */
  onCommitted(listener: (turns: readonly CommittedTurn[]) => void): () => void;
  stats(): DistributedHostStats;
  /** Resolves when what is under way has ended and its soft state is saved: the next host of a twin shall find it. */
  settle(): Promise<void>;
  /** To be called when no call comes any more: finishes what is under way, saves, and lets every twin go. */
  close(): Promise<void>;
}

const tickMs = 25;
/** Between two ticks: more means that this process stood still, and others may have taken its actors. */
const pausedMs = 2_000;
const upkeepMs = 1_000;
const relayMs = 5_000;
const closeMs = 5_000;
/** A caller that gave up asks again while its first call still waits: two are enough. */
const maxQueued = 3;

export function openDistributedHost(options: DistributedHostOptions): DistributedHost {
  return new Host(options);
}

class Host implements DistributedHost {
  readonly #options: DistributedHostOptions;
  readonly #seats = new Map<string, Seat>();
  readonly #loader: SeatLoader;
  readonly #commit: DurableCommit;
  readonly #outbox: OutboxPump;
  readonly #soft: SoftWriter;
  readonly #listeners = new Set<(turns: readonly CommittedTurn[]) => void>();
  readonly #deadlines: SeatDeadlines;
  readonly #counts = { pending: 0, turns: 0, stale: 0, repeated: 0, unsent: 0, unreadable: 0 };
  readonly #ticker: NodeJS.Timeout;
  #logTrouble: string | null = null;
  #tickedMs: number;
  #upkeptMs: number;
  #relayedMs: number;
  #upkeep: Promise<void> = Promise.resolve();

  constructor(options: DistributedHostOptions) {
    this.#options = options;
    const { store, publisher, soft, now, logger } = options;
    const nowMs = now();
    this.#tickedMs = nowMs;
    this.#upkeptMs = nowMs;
    this.#relayedMs = nowMs;
    this.#outbox = new OutboxPump({
      store,
      publisher,
      now,
      onTrouble: (error) => logger.warn({ error: error.message }, "the outbox waits"),
    });
    this.#loader = new SeatLoader(store, soft, (records) => this.#outbox.takeOver(records));
    this.#commit = new DurableCommit({
      store,
      flushMs: options.flushMs,
      observe: options.observeCommit ?? (() => {}),
    });
    this.#soft = new SoftWriter(soft, options.softMs);
    this.#deadlines = new SeatDeadlines({
      ...{ seats: this.#seats, store, now, policyOf: options.policyOf, wake: options.wake, logger },
      onElsewhere: (seat) => this.#drop(seat),
    });
    this.#ticker = setInterval(() => this.#tick(), tickMs);
  }

  turns(device: string, turns: readonly NamedTurn[]): Promise<TurnsAnswer> {
    let seat = this.#seats.get(device);
    if (seat === undefined) {
      seat = newSeat(device, this.#options.now());
      this.#seats.set(device, seat);
    }
    const taken = seat;
    // Memory is never ahead of what is durable (H1): a question need not wait for a turn that waits for the log.
    if (
      taken.queued > 0 &&
      !taken.doubtful &&
      taken.unreadable === null &&
      turns.every(({ input }) => input.kind === "read")
    )
      return Promise.resolve({ kind: "replies", replies: this.#decide(taken, turns).replies });
    if (taken.queued >= maxQueued) {
      const detail = "batches of this twin wait already; what they wait for is not there";
      return Promise.resolve({ kind: "again", why: "busy", detail });
    }
    this.#counts.pending += 1;
    taken.queued += 1;
    const answer = taken.last.then(() => this.#run(taken, turns));
    taken.last = answer.finally(() => {
      this.#counts.pending -= 1;
      taken.queued -= 1;
    });
    return answer;
  }

  deactivated(device: string): void {
    const seat = this.#seats.get(device);
    if (seat !== undefined) this.#leave(seat);
  }

  doubtAll(): void {
    for (const seat of this.#seats.values()) seat.doubtful = true;
  }

  policiesChanged(): void {
    for (const seat of this.#seats.values()) this.#deadlines.watch(seat);
  }

  onCommitted(listener: (turns: readonly CommittedTurn[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stats(): DistributedHostStats {
    return {
      ...this.#counts,
      twinsInMemory: this.#seats.size,
      deadlines: this.#deadlines.size,
      outboxWaiting: this.#outbox.waiting,
      logTrouble: this.#logTrouble,
    };
  }

  async settle(): Promise<void> {
    await Promise.all([...this.#seats.values()].map((seat) => seat.last.catch(() => {})));
    await this.#soft.flush((seat) => this.#seats.get(seat.device) === seat);
  }

  async close(): Promise<void> {
    clearInterval(this.#ticker);
    await Promise.all([...this.#seats.values()].map((seat) => seat.last.catch(() => {})));
    for (const seat of [...this.#seats.values()]) this.#leave(seat);
    await this.#upkeep;
    await Promise.all([this.#soft.close(), this.#outbox.close(closeMs), this.#deadlines.tell()]);
  }

  async #run(seat: Seat, turns: readonly NamedTurn[]): Promise<TurnsAnswer> {
    this.#counts.turns += turns.length;
    seat.touchedMs = this.#options.now();
    if (seat.doubtful || seat.unreadable !== null) {
      try {
        await this.#loader.load(seat);
      } catch (error) {
        return this.#again(seat, "store-away", error as Error);
      }
      this.#deadlines.adopt(seat);
      if (seat.unreadable !== null) return this.#refuse(seat, turns);
    }
    const decided = this.#decide(seat, turns);
    this.#counts.repeated += decided.repeated;
    if (decided.durable) {
      const answer = await this.#store(seat, decided);
      if (answer !== null) return answer;
    } else if (decided.records.length > 0) {
      this.#outbox.hurry(); // what the twin said before comes first
      try {
        await this.#options.publisher.publish(decided.records);
        this.#logTrouble = null;
      } catch (error) {
        this.#logTrouble = (error as Error).message;
        return this.#again(seat, "log-away", error as Error);
      }
      seat.twin = decided.twin;
      if (!seat.dirty) this.#soft.mark(seat);
    }
    this.#deadlines.watch(seat);
    this.#send(seat.device, decided.sends);
    this.#tell(seat, decided);
    return { kind: "replies", replies: decided.replies };
  }

  #decide(seat: Seat, turns: readonly NamedTurn[]): TurnBatch {
    return decideBatch(seat, turns, this.#context(), (about, message) => this.#options.logger.error(about, message));
  }

  /** Commits state and records; null when it is done. */
  async #store(seat: Seat, { twin, records, receipts }: TurnBatch): Promise<TurnsAnswer | null> {
    const { revision } = seat;
    const deadlineMs = this.#deadlines.of(twin);
    try {
      if ((await this.#commit.add({ twin, revision, receipts, deadlineMs, records })) === "stale") {
        this.#counts.stale += 1;
        seat.doubtful = true;
        return { kind: "again", why: "stale", detail: "another host has written to the twin" };
      }
    } catch (error) {
      return this.#again(seat, "store-away", error as Error);
    }
    seat.twin = twin;
    seat.revision = revision + 1;
    seat.receipts = receipts;
    seat.dirty = false; // The stored state holds the soft state too.
    this.#outbox.put(records);
    return null;
  }

  #again(seat: Seat, why: string, error: Error): TurnsAnswer {
    seat.doubtful = true;
    return { kind: "again", why, detail: error.message };
  }

  /** A state that nobody can read harms this device only, and its messages are kept as dead letters. */
  async #refuse(seat: Seat, turns: readonly NamedTurn[]): Promise<TurnsAnswer> {
    this.#counts.unreadable += turns.length;
    const reason = twinUnreadable;
    const detail = `The stored twin of ${seat.device} cannot be read: ${seat.unreadable}. Restore its row of twin_states, or delete it: the device then registers anew.`;
    const letters = lettersOf(seat.device, turns, { reason, detail }, this.#options.now());
    try {
      if (letters.length > 0) await this.#options.publisher.publish(letters);
    } catch (error) {
      return this.#again(seat, "log-away", error as Error);
    }
    return { kind: "replies", replies: turns.map(() => ({ kind: "refused", reason, detail })) };
  }

  #send(device: string, sends: readonly Send[]): void {
    for (const send of sends) {
      const [topic, body] = addressedSend(device, send);
      this.#options.downlink.publish({ topic, payload: JSON.stringify(body), qos: 1 }).catch((error: Error) => {
        this.#counts.unsent += 1;
        this.#options.logger.warn({ device, topic, error: error.message }, "a message to a device did not go out");
      });
    }
  }

  #tell(seat: Seat, { records, sends }: TurnBatch): void {
    if (this.#listeners.size === 0 || (records.length === 0 && sends.length === 0)) return;
    const region = seat.twin.registration?.region ?? "";
    const turn = { device: seat.device, region, records: records.map(({ record }) => record), sends };
    for (const listener of this.#listeners) listener([turn]);
  }

  #context(): TwinContext {
    const { policyOf, rulesOf, openRegistry, now } = this.#options;
    return { nowMs: now(), policyOf, rulesOf, node: null, openRegistry };
  }

  #tick(): void {
    const nowMs = this.#options.now();
    if (nowMs - this.#tickedMs > pausedMs) {
      this.#options.logger.warn({ pausedMs: nowMs - this.#tickedMs }, "this process stood still: twins are read again");
      this.doubtAll();
    }
    this.#tickedMs = nowMs;
    this.#deadlines.tick(nowMs);
    this.#soft.tick(nowMs, (seat) => this.#seats.get(seat.device) === seat);
    if (nowMs - this.#upkeptMs < upkeepMs) return;
    this.#upkeptMs = nowMs;
    this.#upkeep = this.#upkeep.then(() => this.#keepUp(nowMs));
  }

  async #keepUp(nowMs: number): Promise<void> {
    for (const seat of this.#seats.values()) if (nowMs - seat.touchedMs > this.#options.idleMs) this.#leave(seat);
    await this.#deadlines.tell();
    await this.#outbox.strike();
    if (nowMs - this.#relayedMs < relayMs) return;
    this.#relayedMs = nowMs;
    await this.#outbox.relay().catch((error: Error) => {
      this.#options.logger.warn({ error: error.message }, "the outbox of other hosts could not be looked through");
    });
  }

  /** The actor leaves: its soft state is saved, its deadline is somebody else's. */
  #leave(seat: Seat): void {
    this.#soft.keep(seat);
    this.#drop(seat);
    this.#deadlines.release(seat);
  }

  #drop(seat: Seat): void {
    if (this.#seats.get(seat.device) !== seat) return;
    this.#seats.delete(seat.device);
    this.#deadlines.forget(seat.device);
  }
}
