/**
 * Calls that come together go out together: while a request is under way, or within `lingerMs` of the first, calls
 * queue up and share the next request. Knows nothing of Kafka: `send` does.
 *
 * G1 One request at a time, in the order of the calls; a request that failed is sent again before anything else.
 * G2 A call resolves when all its messages were sent. When the oldest call has waited for `awayAfterMs`, every call is
 *    rejected with `LogAway`: would only the oldest be, its messages could come after those of younger calls.
 */
import { type BackOff, pause, pauseAfter } from "./back-off.ts";
import { LogAway } from "./port.ts";

export type GroupCommitOptions<Message> = {
  /** Resolves when the messages are safe. Aborted: nobody waits for it any more. */
  readonly send: (messages: readonly Message[], cut: AbortSignal) => Promise<void>;
  readonly weigh: (message: Message) => number;
  /** A request holds at most so many messages and, unless it is one alone, at most this weight. */
  readonly maxMessages: number;
  readonly maxWeight: number;
  readonly lingerMs: number;
  readonly awayAfterMs: number;
  readonly backOff: BackOff;
  /** After this error of `send` no request can ever succeed: the calls are rejected with it. */
  readonly isFinal?: (error: Error) => boolean;
  readonly onTrouble: (error: Error) => void;
};

export type GroupCommit<Message> = {
  add(messages: readonly Message[]): Promise<void>;
  /** Takes no more calls; resolves when those under way are answered. */
  close(): Promise<void>;
};

type Call = { left: number; sinceMs: number; resolve: () => void; reject: (error: Error) => void };

export function openGroupCommit<Message>(options: GroupCommitOptions<Message>): GroupCommit<Message> {
  const { send, weigh, maxMessages, maxWeight, lingerMs, awayAfterMs, backOff, onTrouble } = options;
  let queue: { message: Message; call: Call }[] = [];
  let running: Promise<void> | null = null;
  let closed: Error | null = null;
  let trouble: Error | null = null;
  let cut = new AbortController();
  let awayTimer: NodeJS.Timeout | null = null;

  /** Ends without a turn of the event loop between the empty queue and `running = null`: no call slips in unseen. */
  async function run(): Promise<void> {
    if (lingerMs > 0 && closed === null) await pause(lingerMs, cut.signal);
    while (queue.length > 0) {
      const request = queue.slice(0, fitting());
      const messages = request.map(({ message }) => message);
      const mine = cut;
      if (!(await sendAgainAndAgain(messages, mine.signal))) continue; // given up: the queue is another one
      queue.splice(0, request.length);
      for (const { call } of request) {
        call.left -= 1;
        if (call.left === 0) call.resolve();
      }
      watchOldest();
    }
    running = null;
  }

  /** Whether it was sent; not when it was given up. */
  async function sendAgainAndAgain(messages: readonly Message[], mine: AbortSignal): Promise<boolean> {
    for (let failures = 0; !mine.aborted; ) {
      try {
        await unlessCut(send(messages, mine), mine);
        if (mine.aborted) return false;
        trouble = null;
        return true;
      } catch (thrown) {
        if (mine.aborted) return false;
        trouble = thrown instanceof Error ? thrown : new Error(String(thrown));
        if (options.isFinal?.(trouble)) {
          closed = trouble;
          giveUp(trouble);
          return false;
        }
        onTrouble(trouble);
        failures += 1;
        await pause(pauseAfter(failures, backOff), mine);
      }
    }
    return false;
  }

  /** How many messages at the head of the queue fit into a request. */
  function fitting(): number {
    let weight = 0;
    let count = 0;
    for (const { message } of queue) {
      weight += weigh(message);
      if (count > 0 && (count >= maxMessages || weight > maxWeight)) break;
      count += 1;
    }
    return count;
  }

  function watchOldest(): void {
    if (awayTimer !== null) clearTimeout(awayTimer);
    awayTimer = null;
    const oldest = queue[0];
    if (oldest === undefined) return;
    awayTimer = setTimeout(
      () => {
        const error = trouble === null ? "" : `: ${trouble.message}`;
        giveUp(
          new LogAway(`The log has not taken records for ${awayAfterMs} ms${error}. Publish them again.`, {
            cause: trouble,
          }),
        );
      },
      Math.max(0, oldest.call.sinceMs + awayAfterMs - performance.now()),
    );
  }

  function giveUp(error: Error): void {
    const calls = new Set(queue.map(({ call }) => call));
    queue = [];
    cut.abort();
    cut = new AbortController();
    watchOldest();
    for (const call of calls) call.reject(error);
  }

  return {
    add(messages) {
      if (closed !== null) return Promise.reject(closed);
      if (messages.length === 0) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const call: Call = { left: messages.length, sinceMs: performance.now(), resolve, reject };
        for (const message of messages) queue.push({ message, call });
        if (awayTimer === null) watchOldest();
        running ??= run();
      });
    },
    async close() {
      closed ??= new Error("The log was closed: nothing is published any more.");
      await running;
    },
  };
}

/** As the promise, but rejects as soon as `cut` aborts, however long the promise takes. */
function unlessCut<Value>(promise: Promise<Value>, cut: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const end = () => reject(new Error("given up"));
    cut.addEventListener("abort", end, { once: true });
    promise.then(resolve, reject).finally(() => cut.removeEventListener("abort", end));
  });
}
