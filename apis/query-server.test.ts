/** Over a real connection: what a client that goes ends. */
import { once } from "node:events";
import { get } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import type { History } from "./history/service.ts";
import { openApi } from "./server.ts";
import { openTestApi } from "./testing.ts";

async function serverOver(history: Partial<History>) {
  const inside = await openTestApi({ parts: { history: { metrics: async () => ["t"], ...history } as History } });
  const api = await openApi(inside.parts, { host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    await api.close();
    await inside.close();
  });
  const url = `http://127.0.0.1:${api.port}/v1/query?device_id=pump-4&metric=t`;
  return { url, errors: () => inside.errors };
}

/** Until the signal that the history was given is aborted. */
const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

test("a stream ends with its client, and holds no more than the client takes", async () => {
  let given = 0;
  const ended = Promise.withResolvers<void>();
  const { url } = await serverOver({
    async *stream() {
      try {
        for (;;) {
          given += 1;
          const readings = Array.from({ length: 5_000 }, (_, n) => ({ tsMs: n, offset: n, value: n, flags: null }));
          yield { device: "pump-4", metric: "t", kind: "raw", readings };
        }
      } finally {
        ended.resolve();
      }
    },
  });
  const request = get(`${url}&format=ndjson`);
  const [response] = await once(request, "response");
  await once(response, "readable");
  response.destroy();
  await ended.promise;
  // What fits into the buffers of both ends of a connection, at some 350 KB a batch.
  expect(given).toBeLessThan(100);
});

test("a query ends with its client", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const { url, errors } = await serverOver({
    async query(_query, signal) {
      asked.resolve(signal);
      await aborted(signal);
      throw signal.reason;
    },
  });
  const request = get(url);
  request.on("error", () => {});
  const signal = await asked.promise;
  expect(signal.aborted).toBe(false);
  const over = aborted(signal);
  request.destroy();
  await over;
  expect(errors()).toEqual([]);
});
