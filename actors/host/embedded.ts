/**
 * Device twins in this process: a mailbox for each, group commit to the log, checkpoints behind it, replay at start.
 *
 * E1 One turn at a time per actor: a turn runs to its end on this thread; inputs of a twin that is still being
 *    loaded wait in their order.
 * E2 Memory runs ahead of the log only between a turn and its commit; if that commit fails, the process ends.
 * E3 A twin leaves memory only when its checkpoint has every record of it.
 * E4 A turn that throws changes nothing and harms no other actor; a message that caused it becomes a dead letter.
 */
import { nextDeadline } from "../../core/device/deadlines.ts";
import type { Reply, TwinContext, TwinInput } from "../../core/device/inputs.ts";
import type { TwinPolicy } from "../../core/device/policy.ts";
import type { TurnOutcome } from "../../core/device/turn.ts";
import { newTwin } from "../../core/device/twin.ts";
import type { EventLog } from "../../ports/event-log/port.ts";
import type { TwinStore } from "../../ports/twin-store/port.ts";
import { Checkpointer } from "./checkpointer.ts";
import { GroupCommit } from "./group-commit.ts";
import { guardedTurn } from "./guarded-turn.ts";
import type { CommittedTurn, HostStats, TwinHost } from "./port.ts";
import { recover } from "./recovery.ts";
import { newResident, type Place, type Resident, type Waiting } from "./residents.ts";
import { noTimer, TimerWheel } from "./timer-wheel.ts";

export type EmbeddedHostOptions = {
  readonly log: EventLog;
  readonly store: TwinStore;
  /** Epoch ms. */
  readonly now: () => number;
  /** Names this run of the process: sessions of another one are known to be broken. */
  readonly nodeId: string;
  readonly policyOf: (type: string) => TwinPolicy;
  readonly rulesOf?: TwinContext["rulesOf"];
  readonly openRegistry: boolean;
  readonly flushMs: number;
  readonly checkpointMs: number;
  /** A twin without a turn for this long leaves memory. */
  readonly idleMs: number;
  /** Above this many twins in memory the clean ones leave without waiting to be idle. */
  readonly maxTwins: number;
  readonly onProgress?: (replayed: number, total: number) => void;
  readonly observeCommit?: (seconds: number, records: number) => void;
  readonly logger: {
    readonly error: (about: object, message: string) => void;
  };
};

export interface EmbeddedHost extends TwinHost {
  /** Rejects when log or store failed: the process must end (E2). Resolves after `close`. */
  readonly closed: Promise<void>;
  readonly recovery: { readonly replayedRecords: number; readonly twins: number };
  /** Commits what is pending, checkpoints every twin, and stops. */
  close(): Promise<void>;
}

const tickMs = 20;
const sweepPerTick = 2_000;
const wakesPerTick = 1_000;

export async function openEmbeddedHost(options: EmbeddedHostOptions): Promise<EmbeddedHost> {
  const startedAtMs = options.now();
  const recovered = await recover(options.log, options.store, options.onProgress ?? (() => {}));
  const host = new Host(options, startedAtMs, recovered.residents, recovered.end);
  await host.watchStoredDeadlines();
  host.start();
  return Object.assign(host, {
    recovery: { replayedRecords: recovered.replayedRecords, twins: recovered.residents.size },
  });
}

class Host implements TwinHost {
  readonly closed: Promise<void>;
  readonly #options: EmbeddedHostOptions;
  readonly #node: { id: string; startedAtMs: number };
  /** One map for all, in memory or not: of a million ids each map takes its part. */
  readonly #places: Map<string, Place>;
  #inMemory: number;
  readonly #loading = new Map<string, Waiting[]>();
  readonly #beingRead = new Set<string>();
  #loadScheduled = false;
  readonly #wheel: TimerWheel;
  readonly #commit: GroupCommit;
  readonly #checkpointer: Checkpointer;
  readonly #listeners = new Set<(turns: readonly CommittedTurn[]) => void>();
  #ticker: NodeJS.Timeout | null = null;
  #sweep: IterableIterator<[string, Place]> | null = null;
  #closing: Promise<void> | null = null;
  #settleClosed: { resolve: () => void; reject: (error: unknown) => void };

  constructor(options: EmbeddedHostOptions, startedAtMs: number, residents: Map<string, Resident>, end: number) {
    this.#options = options;
    this.#node = { id: options.nodeId, startedAtMs };
    this.#places = new Map<string, Place>(residents);
    this.#inMemory = residents.size;
    this.#wheel = new TimerWheel(startedAtMs);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#settleClosed = { resolve, reject };
    this.#commit = new GroupCommit({
      log: options.log,
      end,
      flushMs: options.flushMs,
      onCommitted: (turns) => this.#tell(turns),
      onBroken: (error) => this.#fail(error),
      ...(options.observeCommit === undefined ? {} : { observeCommit: options.observeCommit }),
    });
    this.#checkpointer = new Checkpointer({
      store: options.store,
      commit: this.#commit,
      intervalMs: options.checkpointMs,
      now: options.now,
      deadlineOf: (resident) => this.#deadlineOf(resident),
    });
    const replayed = [...residents.values()].filter((resident) => resident.dirtyFrom >= 0);
    replayed.sort((a, b) => a.dirtyFrom - b.dirtyFrom);
    for (const resident of replayed) {
      const from = resident.dirtyFrom;
      resident.dirtyFrom = -1;
      // Due at once: a process that dies again soon must not leave an ever longer tail.
      this.#checkpointer.markDirty(resident, from, 0);
    }
  }

  /** Fills the timer wheel from the twins in memory and from the store, for those that are not. */
  async watchStoredDeadlines(): Promise<void> {
    for (const resident of this.#residents()) this.#watch(resident);
    // Whoever was online is judged when the restart's grace is over, whatever its deadline was; not earlier, so that a
    // start does not load the whole fleet.
    const graceOverMs = this.#node.startedAtMs + this.#options.policyOf("default").restartGraceMs;
    for await (const page of this.#options.store.deadlines()) {
      for (const { id } of page) {
        if (!this.#places.has(id)) this.#places.set(id, this.#wheel.schedule(noTimer, id, graceOverMs));
      }
    }
  }

  start(): void {
    this.#ticker = setInterval(() => this.#tick(), tickMs);
  }

  ask(device: string, input: TwinInput): Promise<Reply> {
    return new Promise((resolve) => this.deliver(device, input, resolve));
  }

  deliver(device: string, input: TwinInput, done: (reply: Reply) => void): void {
    const place = this.#places.get(device);
    if (typeof place === "object") this.#turn(place, input, done);
    else this.#load(device, { input, done });
  }

  onCommitted(listener: (turns: readonly CommittedTurn[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async policiesChanged(): Promise<void> {
    for (const [id, place] of this.#places) {
      if (typeof place === "object") this.#watch(place);
      else this.deliver(id, { kind: "deadline" }, () => {});
    }
  }

  stats(): HostStats {
    return {
      twinsInMemory: this.#inMemory,
      deadlines: this.#wheel.size,
      pending: this.#commit.waiting,
      committedOffset: this.#commit.durableOffset,
    };
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      if (this.#ticker !== null) clearInterval(this.#ticker);
      while (this.#loading.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await this.#commit.drain();
      await this.#checkpointer.flush();
      this.#settleClosed.resolve();
    })();
    return this.#closing;
  }

  #turn(resident: Resident, input: TwinInput, done: (reply: Reply) => void): void {
    const { records, sends, twin, reply } = this.#decide(resident, input);
    resident.touched = this.#tickOf(this.#options.now());
    const region = twin.registration?.region ?? resident.twin.registration?.region ?? "";
    if (records.length === 0) {
      const turn = sends.length === 0 ? null : { device: twin.id, region, records, sends };
      this.#commit.after(resident.includes, turn, reply, done);
      return;
    }
    const first = this.#commit.nextOffset;
    resident.twin = twin;
    this.#commit.add({ device: twin.id, region, records, sends }, reply, done);
    resident.includes = this.#commit.nextOffset;
    this.#checkpointer.markDirty(resident, first);
    this.#watch(resident);
  }

  #decide(resident: Resident, input: TwinInput): TurnOutcome {
    return guardedTurn(resident.twin, input, this.#context(), (about, message) =>
      this.#options.logger.error(about, message),
    );
  }

  #context(): TwinContext {
    const { policyOf, rulesOf, openRegistry, now } = this.#options;
    return { nowMs: now(), policyOf, rulesOf, node: this.#node, openRegistry };
  }

  #deadlineOf(resident: Resident): number | null {
    return nextDeadline(resident.twin, { policyOf: this.#options.policyOf, node: this.#node });
  }

  /** Renewals are free: the wheel moves a timer only if the twin has to be woken earlier than it will be. */
  #watch(resident: Resident): void {
    const deadlineMs = this.#deadlineOf(resident);
    if (deadlineMs !== null) resident.timer = this.#wheel.schedule(resident.timer, resident.twin.id, deadlineMs);
  }

  *#residents(): Generator<Resident> {
    for (const place of this.#places.values()) if (typeof place === "object") yield place;
  }

  /** A number small enough for ever: epoch ms would not be. */
  #tickOf(ms: number): number {
    return Math.floor((ms - this.#node.startedAtMs) / tickMs);
  }

  #tick(): void {
    const now = this.#options.now();
    for (const id of this.#wheel.due(now, wakesPerTick)) this.#wake(id, now);
    this.#evict(now);
    this.#checkpointer.tick().catch((error) => this.#fail(error));
  }

  #wake(id: string, now: number): void {
    const place = this.#places.get(id);
    if (typeof place !== "object") {
      this.#places.set(id, noTimer);
      this.deliver(id, { kind: "deadline" }, () => {});
      return;
    }
    place.timer = noTimer;
    const deadlineMs = this.#deadlineOf(place);
    if (deadlineMs !== null && deadlineMs <= now) this.#turn(place, { kind: "deadline" }, () => {});
    this.#watch(place);
  }

  /** Looks at a part of the twins in memory and lets the idle ones go; their timers stay. */
  #evict(now: number): void {
    const crowded = this.#inMemory > this.#options.maxTwins;
    const idleSince = this.#tickOf(crowded ? now : now - this.#options.idleMs);
    this.#sweep ??= this.#places.entries();
    for (let looked = 0; looked < sweepPerTick; looked += 1) {
      const next = this.#sweep.next();
      if (next.done) {
        this.#sweep = null;
        return;
      }
      const [id, resident] = next.value;
      if (typeof resident !== "object") continue;
      const saved = resident.dirtyFrom < 0 && resident.slice <= this.#checkpointer.savedSlice; // E3
      const idle = resident.touched <= idleSince || resident.twin.revision === 0;
      if (!saved || !idle || resident.includes > this.#commit.durableOffset) continue;
      if (resident.timer === noTimer) this.#places.delete(id);
      else this.#places.set(id, resident.timer);
      this.#inMemory -= 1;
    }
  }

  #load(device: string, waiting: Waiting): void {
    const queue = this.#loading.get(device);
    if (queue !== undefined) {
      queue.push(waiting);
      return;
    }
    this.#loading.set(device, [waiting]);
    if (this.#loadScheduled) return;
    this.#loadScheduled = true;
    setImmediate(() => {
      this.#loadScheduled = false;
      this.#loadAll().catch((error) => this.#fail(error));
    });
  }

  /** One query for everything that was asked for in this turn of the event loop. */
  async #loadAll(): Promise<void> {
    const ids = [...this.#loading.keys()].filter((id) => !this.#beingRead.has(id));
    for (const id of ids) this.#beingRead.add(id);
    const checkpoints = await this.#options.store.load(ids);
    const tick = this.#tickOf(this.#options.now());
    for (const id of ids) {
      this.#beingRead.delete(id);
      const checkpoint = checkpoints.get(id);
      const resident = newResident(checkpoint?.twin ?? newTwin(id), checkpoint?.nextOffset ?? 0, tick);
      const place = this.#places.get(id);
      if (typeof place === "number") resident.timer = place;
      this.#places.set(id, resident);
      this.#inMemory += 1;
      const queue = this.#loading.get(id) ?? [];
      this.#loading.delete(id);
      for (const { input, done } of queue) this.#turn(resident, input, done);
      this.#watch(resident);
    }
  }

  #tell(turns: readonly CommittedTurn[]): void {
    for (const listener of this.#listeners) listener(turns);
  }

  #fail(error: unknown): void {
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#settleClosed.reject(error);
  }
}
