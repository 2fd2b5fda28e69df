import type { Member, Membership } from "./port.ts";

export type Heartbeat = {
  /** Why the last beat did not arrive; null if it did. */
  readonly trouble: string | null;
  /** Ends it and says goodbye, if the store answers. */
  stop(): Promise<void>;
};

/**
 * Beats each `everyMs` until it is stopped. A process for which `here` is false does not beat: it lives, but it does not do
 * what its role is there for, and others take over.
 */
export async function startHeartbeat(options: {
  readonly membership: Membership;
  readonly member: () => Member;
  readonly here?: () => boolean;
  readonly everyMs?: number;
  readonly onTrouble?: (error: Error) => void;
}): Promise<Heartbeat> {
  const { membership, member, here = () => true, everyMs = 1_000, onTrouble = () => {} } = options;
  let trouble: string | null = null;
  let beating: Promise<void> | null = null;
  const beat = () => {
    if (beating !== null || !here()) return;
    beating = membership
      .beat(member())
      .then(
        () => {
          trouble = null;
        },
        (error: Error) => {
          if (trouble === null) onTrouble(error);
          trouble = error.message;
        },
      )
      .finally(() => {
        beating = null;
      });
  };
  beat();
  await beating;
  const timer = setInterval(beat, everyMs);
  return {
    get trouble() {
      return trouble;
    },
    async stop() {
      clearInterval(timer);
      await beating;
      await membership.leave(member().id).catch(onTrouble);
    },
  };
}
