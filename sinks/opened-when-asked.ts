import type { SinkTarget } from "./target.ts";

/** How often it is looked whether one of the sink's chores is due. */
const choresMs = 60_000;

/**
 * A sink over a server that may be away: it is opened by whoever needs it first, and again after a failure. Meanwhile its
 * records wait in the log, as after any other failure.
 */
export function openedWhenAsked(
  named: Pick<SinkTarget, "name" | "topics">,
  open: () => Promise<SinkTarget>,
): SinkTarget {
  let opening: Promise<SinkTarget> | null = null;
  let opened: SinkTarget | null = null;

  function there(): Promise<SinkTarget> {
    opening ??= open().then(
      (target) => {
        opened = target;
        return target;
      },
      (error: unknown) => {
        opening = null;
        throw error;
      },
    );
    return opening;
  }

  return {
    ...named,
    progress: async () => (await there()).progress(),
    progressIn: async (partition) => (await there()).progressIn(partition),
    commit: async (items, progress) => (await there()).commit(items, progress),
    // Asked only about what is about to be committed, after the progress.
    weigh: (item) => opened?.weigh(item) ?? 1,
    chores: [
      {
        name: "chores",
        everyMs: choresMs,
        run: async (nowMs) => {
          for (const chore of opened?.chores ?? []) await chore.run(nowMs);
        },
      },
    ],
    close: async () => opened?.close?.(),
  };
}
