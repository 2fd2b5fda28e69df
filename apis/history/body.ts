/** Bytes that are made while they are sent: a client that goes ends their making, one that reads slowly slows it. */

/**
 * Asks for the first part before it gives the body, so that what goes wrong at once is still answered as a refusal. What
 * goes wrong later cuts the answer off, which HTTP lets the client see, and is told to `onBroken`. `stop` is aborted when it
 * is over, however it ended: a generator that was never begun would not notice.
 */
export async function streamedBody(
  chunks: AsyncIterable<Uint8Array>,
  stop: AbortController,
  onBroken: (error: unknown) => void,
): Promise<ReadableStream<Uint8Array>> {
  const source = chunks[Symbol.asyncIterator]();
  let next: Promise<IteratorResult<Uint8Array>> | null = Promise.resolve(await source.next());
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await (next ?? source.next());
          next = null;
          if (!done) {
            controller.enqueue(value);
            return;
          }
          controller.close();
          stop.abort();
        } catch (error) {
          if (!stop.signal.aborted) onBroken(error);
          controller.error(error);
          stop.abort();
        }
      },
      async cancel() {
        stop.abort(new Error("The client has gone."));
        await source.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
