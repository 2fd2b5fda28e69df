import { describe, expect, test } from "vitest";
import { defaultLimits } from "./limits.ts";
import type { Way } from "./outgoing.ts";
import type { Delivery } from "./publish-encoder.ts";
import type { Session, Subscription } from "./session.ts";
import { Sessions } from "./sessions.ts";
import { SubscriptionTree } from "./subscription-tree.ts";

const alice = { kind: "app", name: "alice" } as const;
const bob = { kind: "app", name: "bob" } as const;

describe("sessions", () => {
  test("one that is away is resumed by its owner, until its expiry", () => {
    const { sessions, clock } = some();
    const session = kept(sessions, "a", 1_000);
    clock.ms += 999;
    sessions.sweep();
    expect(sessions.open("a", alice, false)).toEqual({ session, present: true });
    sessions.left(session, null);
    clock.ms += 1_000;
    sessions.sweep();
    expect(sessions.open("a", alice, false)).toMatchObject({ present: false });
  });

  test("a clean start and another owner begin anew", () => {
    const { sessions } = some();
    kept(sessions, "a", 1_000);
    expect(sessions.open("a", alice, true)).toMatchObject({ present: false });
    kept(sessions, "b", 1_000);
    expect(sessions.open("b", bob, false)).toMatchObject({ present: false });
  });

  test("nobody takes over the connection of another owner", () => {
    const { sessions } = some();
    const ended: string[] = [];
    const { session } = opened(sessions, "a");
    session.presence = { kind: "connected", end: (reason) => ended.push(reason) };
    expect(sessions.open("a", bob, true)).toBe("foreign");
    expect(ended).toEqual([]);
  });

  test("when too many are away, the one that has been away longest ends, with its subscriptions", () => {
    const { sessions, tree } = some({ maxKeptSessions: 2 });
    for (const clientId of ["a", "b", "c"]) {
      const session = kept(sessions, clientId, 1_000);
      const subscription: Subscription = {
        filter: "t",
        qos: 1,
        noLocal: false,
        retainAsPublished: false,
        identifier: null,
      };
      session.subscriptions.set("t", subscription);
      tree.set("t", session, subscription);
    }
    sessions.left(kept(sessions, "d", 1_000), null);
    expect(["a", "b", "c", "d"].map((id) => opened(sessions, id).present)).toEqual([false, false, true, true]);
    expect(tree.size).toBe(1);
  });

  test("a delayed will is fired when it is due, once", () => {
    const { sessions, clock } = some();
    const fired: string[] = [];
    const { session } = opened(sessions, "a");
    session.expiryMs = 10_000;
    sessions.left(session, { dueAtMs: clock.ms + 500, fire: () => fired.push("will") });
    clock.ms += 499;
    sessions.sweep();
    expect(fired).toEqual([]);
    clock.ms += 1;
    sessions.sweep();
    clock.ms += 100_000;
    sessions.sweep();
    expect(fired).toEqual(["will"]);
  });

  test("a delayed will is forgotten when the session is resumed, and fired when the session ends first", () => {
    const { sessions, clock } = some();
    const fired: string[] = [];
    const leave = (clientId: string, expiryMs: number) => {
      const { session } = opened(sessions, clientId);
      session.expiryMs = expiryMs;
      sessions.left(session, { dueAtMs: clock.ms + 5_000, fire: () => fired.push(clientId) });
    };
    leave("resumed", 10_000);
    const { session } = opened(sessions, "resumed");
    session.presence = { kind: "connected", end: () => {} };
    leave("expires at once", 0);
    leave("clean start", 10_000);
    sessions.open("clean start", alice, true);
    leave("expires", 1_000);
    clock.ms += 1_000;
    sessions.sweep();
    clock.ms += 10_000;
    sessions.sweep();
    expect(fired).toEqual(["expires at once", "clean start", "expires"]);
  });
});

describe("what a session has to send", () => {
  test("leaves in order, no more at once than the window, and goes on with each acknowledgement", () => {
    const { outgoing } = opened(some().sessions, "a").session;
    const way = aWay(2);
    outgoing.attach(way);
    for (const text of ["a", "b", "c", "d"]) outgoing.deliver(aDelivery(text));
    expect(way.sent).toEqual(["1 a", "2 b"]);
    outgoing.acknowledged(2);
    expect(outgoing.acknowledged(2)).toBe(false);
    expect(way.sent).toEqual(["1 a", "2 b", "3 c"]);
    outgoing.acknowledged(1);
    expect(way.sent.at(-1)).toBe("4 d");
  });

  test("is sent again with DUP on a new connection, or only its PUBREL", () => {
    const { outgoing } = opened(some().sessions, "a").session;
    outgoing.attach(aWay(10));
    for (const text of ["a", "b", "c"]) outgoing.deliver(aDelivery(text, 2));
    outgoing.received(2);
    outgoing.detach();
    outgoing.deliver(aDelivery("d"));
    const way = aWay(10);
    outgoing.attach(way);
    expect(way.sent).toEqual(["1 a dup", "pubrel 2", "3 c dup", "4 d"]);
  });

  test("waits for an absent client up to a bound; then the oldest is dropped and counted", () => {
    const { sessions, dropped } = some({ maxQueuedMessages: 2 });
    const { outgoing } = opened(sessions, "a").session;
    for (const text of ["a", "b", "c"]) expect(outgoing.deliver(aDelivery(text))).toBe(true);
    expect(outgoing.deliver(aDelivery("not for later", 0))).toBe(false);
    const way = aWay(10);
    outgoing.attach(way);
    expect([way.sent, dropped()]).toEqual([["1 b", "2 c"], 1]);
  });

  test("is bounded in bytes too", () => {
    const { sessions, dropped } = some({ maxQueuedBytes: 1_000 });
    const { outgoing } = opened(sessions, "a").session;
    for (let i = 0; i < 10; i++) outgoing.deliver(aDelivery("x".repeat(300)));
    expect([outgoing.queued, dropped()]).toEqual([2, 8]);
  });

  test("waits for a slow client, without what is of QoS 0", () => {
    const { sessions, dropped } = some();
    const { outgoing } = opened(sessions, "a").session;
    const way = aWay(10);
    way.slow = true;
    outgoing.attach(way);
    outgoing.deliver(aDelivery("a"));
    outgoing.deliver(aDelivery("b", 0));
    outgoing.deliverRetained([aDelivery("retained", 0)]);
    expect([way.sent, dropped()]).toEqual([[], 1]);
    way.slow = false;
    outgoing.pump();
    expect(way.sent).toEqual(["0 retained", "1 a"]);
  });

  test("has a bound on retained messages too, however often it subscribes", () => {
    const { sessions, dropped } = some({ maxRetainedBacklog: 3 });
    const { outgoing } = opened(sessions, "a").session;
    for (let i = 0; i < 3; i++) outgoing.deliverRetained([aDelivery(`${i}a`, 0), aDelivery(`${i}b`, 0)]);
    const way = aWay(10);
    outgoing.attach(way);
    expect([way.sent, dropped()]).toEqual([["0 0a", "0 0b", "0 1a"], 3]);
  });

  test("is not sent when it has expired or is too large for the client", () => {
    const { sessions, clock } = some();
    const { outgoing } = opened(sessions, "a").session;
    const expiring = aDelivery("expired");
    outgoing.deliver({ ...expiring, message: { ...expiring.message, expiresAtMs: clock.ms + 1_000 } });
    outgoing.deliver(aDelivery("too large for it"));
    outgoing.deliver(aDelivery("b"));
    clock.ms += 1_000;
    const way = aWay(1);
    outgoing.attach(way);
    expect(way.sent.map((line) => line.slice(2))).toEqual(["b"]);
  });
});

function some(limits: Partial<typeof defaultLimits> = {}) {
  const clock = { ms: 5_000 };
  const tree = new SubscriptionTree<Session, Subscription>();
  let dropped = 0;
  const sessions = new Sessions(
    { ...defaultLimits, ...limits },
    () => clock.ms,
    tree,
    (count) => {
      dropped += count;
    },
  );
  return { sessions, tree, clock, dropped: () => dropped };
}

function opened(sessions: Sessions, clientId: string) {
  const result = sessions.open(clientId, alice, false);
  if (result === "foreign") throw new Error("foreign");
  return result;
}

function kept(sessions: Sessions, clientId: string, expiryMs: number): Session {
  const { session } = opened(sessions, clientId);
  session.expiryMs = expiryMs;
  sessions.left(session, null);
  return session;
}

function aDelivery(text: string, qos: 0 | 1 | 2 = 1): Delivery {
  const message = { topic: "t", payload: Buffer.from(text), properties: null, expiresAtMs: null };
  return { message, qos, retain: false, identifiers: null };
}

function aWay(window: number): Way & { sent: string[]; slow: boolean } {
  const sent: string[] = [];
  return {
    window,
    sent,
    slow: false,
    ready() {
      return !this.slow;
    },
    publish({ message }, packetId, dup) {
      if (message.payload.includes("too large")) return false;
      sent.push(`${packetId} ${message.payload}${dup ? " dup" : ""}`);
      return true;
    },
    release: (packetId) => sent.push(`pubrel ${packetId}`),
  };
}
