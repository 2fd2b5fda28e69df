import fc from "fast-check";
import { expect, test } from "vitest";
import { unreachable } from "../unreachable.ts";
import { isConnected, liveSession } from "./presence.ts";
import { aSession, WatchedDevice } from "./presence-fixture.ts";
import { PresenceReference } from "./presence-reference.ts";

/** What can happen to a device after some time; `ago` counts its sessions backwards from the newest, 0. */
type Happening = { afterMs: number } & (
  | { kind: "breakOff" | "leave" | "will" | "saysOffline" | "message"; ago: number }
  | { kind: "connect" | "staleNews" | "http" | "httpOffline" | "look" | "restart" }
);

const afterMs = fc.oneof(fc.constantFrom(0, 1, 2_999, 3_000, 15_000, 60_000), fc.nat(70_000));
const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    afterMs,
    kind: fc.constantFrom("breakOff", "leave", "will", "saysOffline", "message"),
    ago: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(2) }),
  }),
  fc.record({
    afterMs,
    kind: fc.constantFrom("connect", "connect", "staleNews", "http", "httpOffline", "look", "restart"),
  }),
);

/** Drives the real presence and the reference side by side, and checks after each happening what must always hold. */
class Side {
  readonly device = new WatchedDevice({ flapEdges: 4 });
  readonly reference = new PresenceReference();
  nowMs = 0;
  #sessions = 0;
  #restarts = 0;

  happen({ afterMs, ...what }: Happening): void {
    this.nowMs += afterMs;
    this.#apply(what);
    this.#expectAgreement();
    this.#expectInvariants();
  }

  #apply(what: { kind: Happening["kind"]; ago?: number }): void {
    const { device, reference, nowMs } = this;
    const session = `s${this.#sessions - (what.ago ?? 0)}`;
    switch (what.kind) {
      case "connect":
        this.#sessions += 1;
        device.connect(`s${this.#sessions}`, nowMs);
        reference.connected(`s${this.#sessions}`, nowMs);
        break;
      case "staleNews":
        this.#expectStaleNewsIgnored();
        break;
      case "breakOff":
      case "leave":
        this.#lose(session, what.kind === "leave");
        break;
      case "will":
        device.step({ type: "statusOffline", session, will: true }, nowMs);
        reference.will(session, nowMs);
        break;
      case "saysOffline":
        device.step({ type: "statusOffline", session, will: false }, nowMs);
        reference.saysOffline(session, nowMs);
        break;
      case "httpOffline":
        device.step({ type: "statusOffline", session: null, will: false }, nowMs);
        reference.saysOffline(null, nowMs);
        break;
      case "message":
        if (reference.up && reference.lostMs === null) reference.message(null, nowMs);
        else reference.message(session, nowMs);
        device.message(session, nowMs);
        break;
      case "http":
        device.message(null, nowMs);
        reference.message(null, nowMs);
        break;
      case "restart":
        this.#restarts += 1;
        device.node = { id: `restart ${this.#restarts}`, startedAtMs: nowMs };
        break;
      case "look":
        this.look();
        break;
      default:
        unreachable(what.kind);
    }
  }

  /** News of a connection that is known already, or older than the newest. */
  #expectStaleNewsIgnored(): void {
    const known = liveSession(this.device.presence) ?? this.device.presence.ended;
    if (known === null) return;
    const older = aSession("older", known.connectedAtMs - 1);
    expect(this.device.step({ type: "connected", session: known }, this.nowMs)).toBeNull();
    expect(this.device.step({ type: "connected", session: older }, this.nowMs)).toBeNull();
  }

  #lose(session: string, graceful: boolean): void {
    const before = this.device.presence;
    if (graceful) this.device.leave(session, this.nowMs);
    else this.device.breakOff(session, this.nowMs);
    if (liveSession(before)?.id !== session) expect(this.device.presence).toBe(before); // P2
    this.reference.disconnected(session, graceful, this.nowMs);
  }

  /** The reference is told what has elapsed; when that is right is what the named tests say. */
  look(): void {
    const from = this.device.records.length;
    this.device.look(this.nowMs);
    for (const { edge, presence } of this.device.records.slice(from)) {
      if (edge === "silenceElapsed") this.reference.silent(this.nowMs);
      if (edge === "graceElapsed") this.reference.graceOver();
      if (edge === "sessionOrphaned") this.reference.orphaned(presence.phase === "online", this.nowMs);
    }
    expect(this.device.deadlineMs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(this.nowMs);
  }

  #expectAgreement(): void {
    const { presence, status } = this.device;
    const { up, sinceMs, live, lostMs } = this.reference;
    expect({
      up: status === "online",
      sinceMs: presence.sinceMs,
      live: liveSession(presence)?.id ?? null,
      lostMs: presence.phase === "suspect" ? presence.suspectSinceMs : null,
    }).toEqual({ up, sinceMs, live, lostMs });
  }

  #expectInvariants(): void {
    const { presence, status, deadlineMs, records } = this.device;
    expect(JSON.parse(JSON.stringify(presence))).toEqual(presence);
    if (status === "online") expect(deadlineMs).not.toBeNull(); // P4
    const told = records.flatMap(({ announced }) => announced ?? []);
    told.forEach((announced, index) => {
      expect(announced.status).toBe(index % 2 === 0 ? "online" : "offline"); // P3
    });
    if (told.length > 0) expect(told.at(-1)).toEqual({ status, sinceMs: presence.sinceMs });
    const marks = records.flatMap(({ flapping }) => flapping ?? []);
    marks.forEach((mark, index) => {
      expect(mark).toBe(index % 2 === 0 ? "started" : "ended");
    });
    expect(presence.flapping).toBe(marks.at(-1) === "started");
    expect(presence.edgesMs.length).toBeLessThanOrEqual(4);
  }
}

test("whatever happens to a device, presence is what a model without a machine says, and announced in turn", () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60 }), (happenings) => {
      const side = new Side();
      for (const each of happenings) side.happen(each);
    }),
    { numRuns: 400 },
  );
});

test("whatever has happened, a device that says nothing more ends offline, unconnected or silent, and steady", () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 30 }), (happenings) => {
      const side = new Side();
      for (const each of happenings) side.happen(each);
      const { device } = side;
      for (let round = 0; device.deadlineMs !== null; round += 1) {
        expect(round).toBeLessThan(6);
        side.nowMs = Math.max(side.nowMs, device.deadlineMs);
        side.look();
      }
      expect([device.status, device.presence.flapping]).toEqual(["offline", false]);
      if (device.node !== null && isConnected(device.presence))
        expect(liveSession(device.presence)?.node).toBe(device.node.id);
    }),
    { numRuns: 200 },
  );
});
