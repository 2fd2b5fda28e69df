import type { RunningSinks } from "./distributed.ts";

export type LagWatch = {
  /** As it was read last. */
  readonly newest: () => Awaited<ReturnType<RunningSinks["lag"]>>;
  stop(): Promise<void>;
};

/** Reads the lag again and again, `everyMs` after the last time: whoever wants to know asks neither Kafka nor tables. */
export function watchLag(
  sinks: Pick<RunningSinks, "lag">,
  everyMs: number,
  onTrouble: (error: Error) => void,
): LagWatch {
  let newest: Awaited<ReturnType<RunningSinks["lag"]>> = {};
  let failed = false;
  let timer: NodeJS.Timeout | null = null;
  let stopped = false;

  async function read(): Promise<void> {
    try {
      newest = { ...(await sinks.lag()) };
      failed = false;
    } catch (error) {
      if (!failed) onTrouble(error as Error);
      failed = true;
    }
    if (!stopped)
      timer = setTimeout(() => {
        reading = read();
      }, everyMs);
  }

  let reading = read();
  return {
    newest: () => newest,
    async stop() {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
      await reading;
    },
  };
}
