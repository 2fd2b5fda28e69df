/**
 * kafkajs 2.2.4 looks through the queue of requests of each connection again and again: where nothing is throttled it sets
 * its timer for a moment in the past, which Node takes as 1 ms (with a TimeoutNegativeWarning), also when no request
 * waits. That is a thousand wakes a second and 20 ms of CPU, for each connection and for as long as the process lives.
 *
 * Q1 A queue in which nothing waits needs no timer: what is pushed into it is sent at once, or sets one.
 */
import { createRequire } from "node:module";

type RequestQueue = { readonly pending: readonly unknown[]; scheduleCheckPendingRequests(): void };

const queue = createRequire(import.meta.url)("kafkajs/src/network/requestQueue/index.js") as {
  readonly prototype: RequestQueue;
};
const mended = Symbol.for("doppel: kafkajs sets no timer for nothing");

/** For all connections of this process, from their next request on. Idempotent. */
export function mendRequestTimers(): void {
  const prototype = queue.prototype as RequestQueue & { [mended]?: true };
  if (prototype[mended] || typeof prototype.scheduleCheckPendingRequests !== "function") return;
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype[mended] = true;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this); // Q1
  };
}
