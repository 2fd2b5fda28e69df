import type { Member, Membership, SeenMember } from "./port.ts";
import { byRoleAndName, forgetAfterMs } from "./port.ts";

type Seen = { readonly member: Member; readonly seenAtMs: number; readonly left: boolean };

/** Membership in memory. `now`: the clock of the store, epoch ms. */
export function openMemoryMembership({
  deadAfterMs = 5_000,
  now = Date.now,
}: {
  deadAfterMs?: number;
  now?: () => number;
} = {}): Membership {
  const seen = new Map<string, Seen>();
  return {
    async beat(member) {
      if (seen.get(member.id)?.left !== true) seen.set(member.id, { member, seenAtMs: now(), left: false });
      for (const [id, { seenAtMs }] of seen) if (seenAtMs <= now() - forgetAfterMs) seen.delete(id);
    },
    async leave(id) {
      const known = seen.get(id);
      if (known !== undefined) seen.set(id, { ...known, left: true });
    },
    async members() {
      const members: SeenMember[] = [];
      for (const { member, seenAtMs, left } of seen.values()) {
        const alive = !left && seenAtMs > now() - deadAfterMs;
        if (seenAtMs > now() - forgetAfterMs) members.push({ ...member, seenAtMs, alive });
      }
      return members.sort(byRoleAndName);
    },
  };
}
