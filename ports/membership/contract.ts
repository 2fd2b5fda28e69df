import { describe, expect, onTestFinished, test } from "vitest";
import { forgetAfterMs, type Member, type Membership } from "./port.ts";

export type OpenedMembership = {
  readonly membership: Membership;
  /** Opens the same store anew, as another process would. */
  readonly reopen: () => Promise<Membership>;
  /** Lets this much time pass on the store's clock. */
  readonly pass: (ms: number) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** The promises of `Membership` (port.ts) as tests. `open` opens one whose members are dead after 5 s. */
export function membershipContract(name: string, open: () => Promise<OpenedMembership>): void {
  async function opened() {
    const store = await open();
    onTestFinished(store.close);
    const alive = async () => {
      const members = await store.membership.members();
      return members.filter((member) => member.alive).map(({ name }) => name);
    };
    return { ...store, alive };
  }

  describe(`${name} as Membership`, () => {
    test("nobody is there at first", async () => {
      const { membership } = await opened();
      expect(await membership.members()).toEqual([]);
      await membership.leave("nobody");
    });

    test("who beats is there, as it says of itself, for every process", async () => {
      const { membership, reopen } = await opened();
      await membership.beat(aMember("actors-1"));
      const [member, ...others] = await (await reopen()).members();
      expect(others).toEqual([]);
      expect(member).toEqual({ ...aMember("actors-1"), alive: true, seenAtMs: expect.any(Number) });
    });

    test("a beat brings the newest status", async () => {
      const { membership, pass } = await opened();
      await membership.beat(aMember("actors-1"));
      await pass(1_000);
      const [before] = await membership.members();
      await membership.beat({ ...aMember("actors-1"), status: { twins: 8, trouble: "Redis is away", ready: false } });
      const [after] = await membership.members();
      expect(after?.status).toEqual({ twins: 8, trouble: "Redis is away", ready: false });
      expect(after!.seenAtMs - before!.seenAtMs).toBeGreaterThanOrEqual(999);
    });

    test("one that has not beaten for five seconds is dead, and lives again when it does", async () => {
      const { membership, pass, alive } = await opened();
      await membership.beat(aMember("actors-1"));
      await pass(3_000);
      expect(await alive()).toEqual(["actors-1"]);
      await pass(2_000);
      expect(await alive()).toEqual([]);
      expect(await membership.members()).toHaveLength(1);
      await membership.beat(aMember("actors-1"));
      expect(await alive()).toEqual(["actors-1"]);
    });

    test("who leaves is dead at once, and a late beat does not bring it back", async () => {
      const { membership, alive } = await opened();
      await membership.beat(aMember("actors-1"));
      await membership.beat(aMember("actors-2"));
      await membership.leave("actors-1#1");
      expect(await alive()).toEqual(["actors-2"]);
      await membership.beat(aMember("actors-1"));
      expect(await alive()).toEqual(["actors-2"]);
      await membership.beat({ ...aMember("actors-1"), id: "actors-1#2" });
      expect(await alive()).toEqual(["actors-1", "actors-2"]);
    });

    test("members are listed by role and name, a process after those that it replaced", async () => {
      const { membership } = await opened();
      await membership.beat(aMember("sinks-1", { role: "sinks" }));
      await membership.beat(aMember("actors-10"));
      await membership.beat(aMember("actors-2", { id: "again", startedAtMs: 1_700_000_000_009 }));
      await membership.beat(aMember("actors-2"));
      await membership.beat(aMember("apis-1", { role: "apis" }));
      const ids = (await membership.members()).map(({ id }) => id);
      expect(ids).toEqual(["actors-2#1", "again", "actors-10#1", "apis-1#1", "sinks-1#1"]);
    });

    test("the dead are forgotten after an hour", async () => {
      const { membership, pass, alive } = await opened();
      await membership.beat(aMember("actors-1"));
      await membership.beat(aMember("actors-2"));
      await membership.leave("actors-2#1");
      await pass(forgetAfterMs - 1_000);
      expect(await membership.members()).toHaveLength(2);
      await pass(1_000);
      expect(await membership.members()).toEqual([]);
      await membership.beat(aMember("actors-1"));
      expect(await alive()).toEqual(["actors-1"]);
    });
  });
}

export function aMember(name: string, changes: Partial<Member> = {}): Member {
  return {
    id: `${name}#1`,
    role: "actors",
    name,
    version: "0.1.0",
    startedAtMs: 1_700_000_000_000,
    address: "http://127.0.0.1:8101",
    status: { twins: 7, ready: true },
    ...changes,
  };
}
