/**
 * Questions that end in the database too when nobody waits for their answer any more.
 *
 * Q1 After the abort a question rejects with the signal's reason, as soon as its statement has ended there; when it cannot
 *    be ended, after `endMs`, and its connection is closed.
 * Q2 A connection goes back to the pool only when no cancellation can still reach it: the next statement on it is not ours.
 */
import { connect } from "node:net";
import type { Pool, PoolClient } from "pg";
import { withConnection } from "./connection.ts";

/** What of a pool asks one question at a time. */
export type Questions = Pick<Pool, "query">;

const endMs = 5_000;

/** The pool itself where there is no signal. */
export function cancellable(pool: Pool, signal: AbortSignal | undefined): Questions {
  if (signal === undefined) return pool;
  const query = (...question: Parameters<Pool["query"]>) => ask(pool, signal, question);
  return { query: query as unknown as Pool["query"] };
}

async function ask(pool: Pool, signal: AbortSignal, question: Parameters<Pool["query"]>): Promise<unknown> {
  signal.throwIfAborted();
  return withConnection(pool, async (client, broke) => {
    signal.throwIfAborted(); // while it waited for a connection
    const asked = Promise.resolve((client.query as (...args: unknown[]) => Promise<unknown>)(...question));
    const aborted = Promise.withResolvers<void>();
    const onAbort = () => aborted.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const answer = await Promise.race([asked, aborted.promise]);
      if (!signal.aborted) return answer;
      if (!(await end(client, asked))) broke(new Error("A statement was cancelled, or could not be."));
      throw signal.reason;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  });
}

/** Whether the statement was ended by our cancellation, which therefore is used up (Q2). */
async function end(client: PoolClient, asked: Promise<unknown>): Promise<boolean> {
  const ended = asked.then(
    () => false,
    (error: { code?: unknown }) => error.code === queryCanceled,
  );
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), endMs);
  try {
    return await Promise.race([requestCancel(client).then(() => ended), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const queryCanceled = "57014";
const cancelRequest = 80_877_102;

/**
 * PostgreSQL 18, 54.2.8: on a connection of its own, which needs no room in the pool and none among the server's. Resolves
 * when the server has closed it, since by then it has signalled; whether it did, only the statement's end tells.
 */
function requestCancel(client: PoolClient): Promise<void> {
  const { host, port, processID, secretKey } = client as PoolClient & {
    readonly [Name in "port" | "processID" | "secretKey"]: number;
  } & { readonly host: string };
  const packet = Buffer.alloc(16);
  for (const [index, word] of [packet.length, cancelRequest, processID, secretKey].entries())
    packet.writeInt32BE(word, index * 4);
  return new Promise((resolve) => {
    const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    socket.setTimeout(endMs, () => socket.destroy());
    socket.on("error", () => {}); // it closes
    socket.on("close", () => resolve());
    socket.resume();
    socket.end(packet);
  });
}
