/**
 * Fault points of a sink: each beginning and each commit of a transaction, each statement outside of one, each call of its
 * object store, each request to ClickHouse, each read of its log. The parts that a sink is given are wrapped here, at the edge; the sink knows
 * nothing of it.
 *
 * F1 A process that is killed after a step and before the next one is the same as one that is killed before the next one,
 *    so "before each step, and after the last" is between every two steps.
 * F2 Within a transaction nothing is durable: a kill there is the same as one before its commit.
 * F3 So is it while one only looks: a kill before a step that changes nothing is the same as one before the next step.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Pool, PoolClient } from "pg";
import type { EventLogReader } from "../../../ports/event-log/port.ts";
import type { ObjectStore } from "../../../ports/object-store/port.ts";

/** "commit:3": before the third commit. */
export type FaultPoint = string;

/** F3. What begins with "with", say, may change something. */
export function mayChange(point: FaultPoint): boolean {
  return !/^(begin|log read|select|clickhouse select|store (get|getRange|size))\b/.test(point);
}

/** Told of each step before it is made. What it gives is awaited first: a promise that never ends is a dead process. */
export type Step = (name: string) => Promise<never> | undefined;

/** Counts the steps; at the point it ends the process as kill -9 does. */
export function stepsUntil(
  point: FaultPoint | null,
  kill: () => Promise<never>,
): { step: Step; readonly taken: readonly FaultPoint[] } {
  const counts = new Map<string, number>();
  const taken: FaultPoint[] = [];
  return {
    taken,
    step(name) {
      const nth = (counts.get(name) ?? 0) + 1;
      counts.set(name, nth);
      taken.push(`${name}:${nth}`);
      return `${name}:${nth}` === point ? kill() : undefined;
    },
  };
}

/** Before its first connection: each statement is a step, named by its first words (F2). */
export function watchPool(pool: Pool, step: Step): void {
  pool.on("connect", (client: PoolClient) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    let within = false;
    client.query = ((...args: unknown[]) => {
      const [asked] = args;
      const words = firstWords(typeof asked === "string" ? asked : ((asked as { text?: string }).text ?? ""));
      const ends = words === "commit" || words === "rollback";
      const dead = !within || ends ? step(words) : undefined;
      if (words === "begin" || ends) within = !ends;
      return dead ?? query(...args);
    }) as PoolClient["query"];
  });
}

export function watchStore(store: ObjectStore, step: Step): ObjectStore {
  return new Proxy(store, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== "function" || name === "close" || name === "list") return member;
      return (...args: unknown[]) => step(`store ${String(name)}`) ?? member.apply(target, args);
    },
  });
}

export function watchLog(log: Pick<EventLogReader, "read">, step: Step): Pick<EventLogReader, "read"> {
  return { read: (offset, atMost) => step("log read") ?? log.read(offset, atMost) };
}

/** A server in between: each request is a step, named by the first words of its SQL. `cut` ends it. */
export async function watchHttp(url: string, step: Step): Promise<{ readonly url: string; cut(): void }> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const asked = new URL(request.url!, new URL(url).origin);
    const dead = step(`clickhouse ${firstWords(asked.searchParams.get("query") ?? body.toString())}`);
    if (dead !== undefined) return void request.socket.destroy();
    const { authorization = "" } = request.headers;
    const answer = await fetch(asked, { method: "POST", body, headers: authorization === "" ? {} : { authorization } });
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const watched = new URL(url);
  watched.port = String((server.address() as AddressInfo).port);
  return {
    url: watched.href,
    cut() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function firstWords(sql: string): string {
  return sql.replaceAll(/\s+/g, " ").trim().split(" ").slice(0, 4).join(" ").replaceAll(":", "");
}
