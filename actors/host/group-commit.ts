import type { Reply } from "../../core/device/inputs.ts";
import type { EventLog, LogEntry } from "../../ports/event-log/port.ts";
import type { CommittedTurn } from "./port.ts";

/**
 * Turns of many actors share one commit: a batch is appended `flushMs` after its first record, one append in flight.
 *
 * G1 Listeners, then replies, in the order of the turns, and only when every record up to theirs is durable.
 * G2 Offsets are given out as records come in; the log's own answer must agree, else the log is not ours alone.
 * G3 A failed append is final: `onBroken` is told once, and nobody is answered any more.
 */
export class GroupCommit {
  readonly #log: EventLog;
  readonly #flushMs: number;
  readonly #onCommitted: (turns: readonly CommittedTurn[]) => void;
  readonly #onBroken: (error: unknown) => void;
  #pending: Batch = emptyBatch();
  #inFlight: Batch | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** The pending batch's time came while another was in flight. */
  #due = false;
  #nextOffset: number;
  #durableOffset: number;
  #broken = false;
  #drained: (() => void)[] = [];
  readonly #observeCommit: (seconds: number, records: number) => void;

  constructor(options: {
    log: EventLog;
    /** The log's end as of opening. */
    end: number;
    flushMs: number;
    onCommitted: (turns: readonly CommittedTurn[]) => void;
    onBroken: (error: unknown) => void;
    observeCommit?: (seconds: number, records: number) => void;
  }) {
    this.#log = options.log;
    this.#nextOffset = options.end;
    this.#durableOffset = options.end;
    this.#flushMs = options.flushMs;
    this.#onCommitted = options.onCommitted;
    this.#onBroken = options.onBroken;
    this.#observeCommit = options.observeCommit ?? (() => {});
  }

  /** The offset that the next record gets. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** Every record below this offset is durable. */
  get durableOffset(): number {
    return this.#durableOffset;
  }

  get waiting(): number {
    return (this.#pending.answers.length + (this.#inFlight?.answers.length ?? 0)) / 2;
  }

  /** Takes a turn's records; it is told and answered after their commit. */
  add(turn: CommittedTurn, reply: Reply, done: (reply: Reply) => void): void {
    const batch = this.#pending;
    for (const record of turn.records) batch.entries.push({ device: turn.device, record });
    this.#nextOffset += turn.records.length;
    batch.turns.push(turn);
    batch.answers.push(done, reply);
    this.#schedule();
  }

  /** Answers when every record below `offset` is durable: the way of turns that leave no record. */
  after(offset: number, turn: CommittedTurn | null, reply: Reply, done: (reply: Reply) => void): void {
    if (this.#broken) return;
    const inFlightEnd =
      this.#inFlight === null ? this.#durableOffset : this.#durableOffset + this.#inFlight.entries.length;
    if (offset <= this.#durableOffset) {
      setImmediate(() => {
        if (this.#broken) return;
        if (turn !== null) this.#onCommitted([turn]);
        done(reply);
      });
      return;
    }
    const batch = offset <= inFlightEnd && this.#inFlight !== null ? this.#inFlight : this.#pending;
    if (turn !== null) batch.turns.push(turn);
    batch.answers.push(done, reply);
    if (batch === this.#pending) this.#schedule();
  }

  /** Resolves when every record below `offset` is durable; never, when the log broke. */
  durable(offset: number): Promise<void> {
    if (offset <= this.#durableOffset && !this.#broken) return Promise.resolve();
    return new Promise((resolve) => this.after(offset, null, doneReply, () => resolve()));
  }

  /** Commits what is pending and resolves when nothing is left. */
  async drain(): Promise<void> {
    if (this.#broken || (this.#inFlight === null && this.#pending.answers.length === 0)) return;
    const drained = new Promise<void>((resolve) => this.#drained.push(resolve));
    this.#flush();
    await drained;
  }

  #schedule(): void {
    if (this.#timer !== null || this.#due || this.#broken) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#due = true;
      this.#flush();
    }, this.#flushMs);
  }

  #flush(): void {
    if (this.#inFlight !== null || this.#broken || this.#pending.answers.length === 0) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#due = false;
    const batch = this.#pending;
    this.#pending = emptyBatch();
    this.#inFlight = batch;
    const startedAt = performance.now();
    const appended =
      batch.entries.length === 0 ? Promise.resolve(this.#durableOffset) : this.#log.append(batch.entries);
    appended.then(
      (first) => {
        if (first !== this.#durableOffset) {
          this.#break(
            new Error(`the log gave offset ${first} where ${this.#durableOffset} was due: another writer is at work`),
          );
          return;
        }
        this.#observeCommit((performance.now() - startedAt) / 1000, batch.entries.length);
        this.#settle(batch);
      },
      (error) => this.#break(error),
    );
  }

  #settle(batch: Batch): void {
    this.#durableOffset += batch.entries.length;
    this.#inFlight = null;
    // The next append starts before the answers go out, so that the database and this thread work side by side.
    if (this.#due || this.#drained.length > 0) this.#flush();
    if (batch.turns.length > 0) this.#onCommitted(batch.turns);
    const { answers } = batch;
    for (let index = 0; index < answers.length; index += 2) {
      (answers[index] as (reply: Reply) => void)(answers[index + 1] as Reply);
    }
    if (this.#inFlight === null && this.#pending.answers.length === 0) {
      for (const resolve of this.#drained.splice(0)) resolve();
    }
  }

  #break(error: unknown): void {
    this.#broken = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#onBroken(error);
  }
}

/** `answers` alternates function and reply: no object per message on the hot path. */
type Batch = {
  readonly entries: LogEntry[];
  readonly turns: CommittedTurn[];
  readonly answers: (Reply | ((reply: Reply) => void))[];
};

function emptyBatch(): Batch {
  return { entries: [], turns: [], answers: [] };
}

const doneReply: Reply = { kind: "done" };
