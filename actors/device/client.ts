/**
 * Device twins for who does not host them: inputs of one device that come within a few milliseconds of each other go to
 * its actor as one call, one call per device at a time, so their order holds.
 *
 * C1 A turn keeps its name however often it is tried: a call whose answer was lost has no second effect.
 * C2 `deliver` tries until the turn is answered, however long that takes: whoever gave the message still has it.
 * C3 `ask` gives up after `giveUpMs`: the caller is told that the turn may have run.
 */

import type { Reply, TwinInput } from "../../core/device/inputs.ts";
import type { TwinHost } from "../host/port.ts";
import { decodeAnswer, encodeTurns, type NamedTurn } from "./turns-wire.ts";

export type TwinCaller = Pick<TwinHost, "ask" | "deliver">;

export interface TwinClient extends TwinCaller {
  stats(): TwinClientStats;
  /** Begins no new call and resolves when those under way have ended; what waits is not answered any more. */
  close(): Promise<void>;
}

export type TwinClientStats = {
  /** Turns that are not answered yet. */
  readonly waiting: number;
  readonly calls: number;
  /** Turns that went out with those calls, tries again included. */
  readonly turns: number;
  readonly retries: number;
  /** What went wrong in a call since the last one that went well; null if nothing. */
  readonly trouble: string | null;
};

export type TwinClientOptions = {
  /** Calls the actor of a device: the body of its method `turns`. Rejects when it is not known to have run. */
  readonly call: (device: string, body: string, timeoutMs: number) => Promise<Uint8Array>;
  /** Names this process: with a counter it names its turns, so it must never be used again. */
  readonly callerId: string;
  readonly now: () => number;
  /** 0 to 1: spreads the tries again. */
  readonly random: () => number;
  readonly batchMs: number;
  readonly maxBatch: number;
  /** Calls under way at a time. */
  readonly concurrency: number;
  /** Of one try. */
  readonly timeoutMs: number;
  /** Of one question. */
  readonly giveUpMs: number;
};

type Waiting = NamedTurn & {
  readonly done: (reply: Reply) => void;
  readonly fail: ((error: Error) => void) | null;
  readonly giveUpAtMs: number;
};

type Mailbox = {
  readonly device: string;
  waiting: Waiting[];
  calling: boolean;
  failures: number;
  /** When the last one came. */
  takenAtMs: number;
  /** How often it was looked at while it gathers. */
  looks: number;
};

/** A burst that a broker hands over slowly is waited for so many times `batchMs`, as long as more of it comes. */
const mostLooks = 5;

const maxBackOffMs = 1_000;
const firstBackOffMs = 20;

export function openTwinClient(options: TwinClientOptions): TwinClient {
  return new Client(options);
}

class Client implements TwinClient {
  readonly #options: TwinClientOptions;
  readonly #mailboxes = new Map<string, Mailbox>();
  /** Have something to send and no call under way. */
  #ready: Mailbox[] = [];
  #gathering: Mailbox[] = [];
  #flush: NodeJS.Timeout | null = null;
  #turns = 0;
  #underWay = 0;
  #closed: (() => void) | null = null;
  readonly #stats = { waiting: 0, calls: 0, turns: 0, retries: 0, trouble: null as string | null };

  constructor(options: TwinClientOptions) {
    this.#options = options;
  }

  ask(device: string, input: TwinInput): Promise<Reply> {
    const giveUpAtMs = this.#options.now() + this.#options.giveUpMs;
    return new Promise((resolve, reject) => this.#take(device, input, undefined, resolve, reject, giveUpAtMs));
  }

  deliver(
    device: string,
    input: TwinInput,
    done: (reply: Reply) => void,
    about?: { readonly redelivered: boolean; readonly digest: number },
  ): void {
    this.#take(device, input, about, done, null, Number.POSITIVE_INFINITY);
  }

  stats(): TwinClientStats {
    return { ...this.#stats };
  }

  async close(): Promise<void> {
    if (this.#flush !== null) clearTimeout(this.#flush);
    const ended = new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
    if (this.#underWay === 0) this.#closed?.();
    await ended;
  }

  #take(
    device: string,
    input: TwinInput,
    about: { readonly redelivered: boolean; readonly digest: number } | undefined,
    done: (reply: Reply) => void,
    fail: ((error: Error) => void) | null,
    giveUpAtMs: number,
  ): void {
    this.#turns += 1;
    const turn = `${this.#options.callerId}.${this.#turns.toString(36)}`;
    const { redelivered = false, digest = 0 } = about ?? {};
    let mailbox = this.#mailboxes.get(device);
    if (mailbox === undefined) {
      mailbox = { device, waiting: [], calling: false, failures: 0, takenAtMs: 0, looks: 0 };
      this.#mailboxes.set(device, mailbox);
    }
    mailbox.waiting.push({ turn, digest, redelivered, input: this.#dated(input), done, fail, giveUpAtMs });
    mailbox.takenAtMs = this.#options.now();
    this.#stats.waiting += 1;
    if (mailbox.calling || mailbox.waiting.length > 1) return;
    this.#gather(mailbox);
  }

  #gather(mailbox: Mailbox): void {
    mailbox.looks = 0;
    this.#gathering.push(mailbox);
    this.#lookLater();
  }

  #lookLater(): void {
    this.#flush ??= setTimeout(() => {
      this.#flush = null;
      const gathering = this.#gathering;
      this.#gathering = [];
      for (const mailbox of gathering) (this.#isGrowing(mailbox) ? this.#gathering : this.#ready).push(mailbox);
      if (this.#gathering.length > 0) this.#lookLater();
      this.#begin();
    }, this.#options.batchMs);
  }

  #isGrowing(mailbox: Mailbox): boolean {
    const { batchMs, maxBatch, now } = this.#options;
    mailbox.looks += 1;
    const isRecent = now() - mailbox.takenAtMs < batchMs / 2;
    return isRecent && mailbox.waiting.length < maxBatch && mailbox.looks < mostLooks;
  }

  /** C1 */
  #dated(input: TwinInput): TwinInput {
    return input.kind === "telemetry" ? { receivedAtMs: this.#options.now(), ...input } : input;
  }

  #begin(): void {
    let next = 0;
    while (this.#closed === null && this.#underWay < this.#options.concurrency && next < this.#ready.length) {
      this.#call(this.#ready[next++]!);
    }
    if (next > 0) this.#ready = this.#ready.slice(next);
  }

  #call(mailbox: Mailbox): void {
    const batch = mailbox.waiting.splice(0, this.#options.maxBatch);
    mailbox.calling = true;
    this.#underWay += 1;
    this.#stats.calls += 1;
    this.#stats.turns += batch.length;
    this.#options.call(mailbox.device, encodeTurns(batch.map(nameOf)), this.#options.timeoutMs).then(
      (body) => this.#answered(mailbox, batch, body),
      (error: Error) => this.#failed(mailbox, batch, error.message),
    );
  }

  #answered(mailbox: Mailbox, batch: Waiting[], body: Uint8Array): void {
    let answer: ReturnType<typeof decodeAnswer>;
    try {
      answer = decodeAnswer(body);
    } catch (error) {
      this.#failed(mailbox, batch, `the answer cannot be read: ${(error as Error).message}`);
      return;
    }
    if (answer.kind === "again") {
      this.#failed(mailbox, batch, answer.detail);
      return;
    }
    mailbox.failures = 0;
    this.#stats.trouble = null;
    this.#stats.waiting -= batch.length;
    for (const [index, { done }] of batch.entries()) done(answer.replies[index] ?? { kind: "done" });
    this.#ended(mailbox, 0);
  }

  #failed(mailbox: Mailbox, batch: Waiting[], detail: string): void {
    const nowMs = this.#options.now();
    this.#stats.trouble = detail;
    this.#stats.retries += 1;
    const again = batch.filter((turn) => turn.giveUpAtMs > nowMs);
    for (const { fail } of batch.filter((turn) => turn.giveUpAtMs <= nowMs)) {
      this.#stats.waiting -= 1;
      fail?.(new TwinUnavailable(mailbox.device, detail));
    }
    mailbox.waiting.unshift(...again);
    mailbox.failures += 1;
    const backOff = Math.min(maxBackOffMs, firstBackOffMs * 2 ** Math.min(mailbox.failures - 1, 10));
    this.#ended(mailbox, backOff * (0.5 + this.#options.random() / 2));
  }

  #ended(mailbox: Mailbox, pauseMs: number): void {
    this.#underWay -= 1;
    if (this.#closed !== null) {
      if (this.#underWay === 0) this.#closed();
      return;
    }
    const goOn = () => {
      mailbox.calling = false;
      if (mailbox.waiting.length === 0) this.#mailboxes.delete(mailbox.device);
      else if (mailbox.failures === 0 && mailbox.waiting.length < this.#options.maxBatch) this.#gather(mailbox);
      else this.#ready.push(mailbox);
      this.#begin();
    };
    if (pauseMs === 0) goOn();
    else {
      setTimeout(goOn, pauseMs);
      this.#begin();
    }
  }
}

function nameOf({ turn, digest, redelivered, input }: Waiting): NamedTurn {
  return { turn, digest, redelivered, input };
}

/** The twin did not answer in time. */
export class TwinUnavailable extends Error {
  override readonly name = "TwinUnavailable";
  readonly code = "TWIN_UNAVAILABLE";
  readonly retry = "later";
  constructor(device: string, why: string) {
    super(
      `The twin of ${device} did not answer in time (${why}). What was asked may have been done: read it before you ask again.`,
    );
  }
}
