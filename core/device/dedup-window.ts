/**
 * Which messages of a device have been seen before, in bounded memory. Leaves naming a message's identity to telemetry.
 *
 * W1 Whatever is among the newest 1,024 sequence numbers of the newest two boots, or the newest 64 ids and hashes, is
 *    known exactly (ids by 53 bits of hash).
 * W2 A number below the window is a duplicate only where the device names its boot: a counter that runs on within one
 *    boot proves it. Without a boot such a number says that the counter began anew, and the window follows it.
 * W3 The window is a value: `remember` leaves the old one as it was.
 */
import { hash53 } from "../hash.ts";
import type { MessageIdentity } from "./telemetry.ts";

export const windowSize = 1_024;
export const keptBoots = 2;
export const ringSize = 64;

/** The sequence numbers of one boot. */
type SequenceWindow = {
  readonly boot: string;
  readonly newest: number;
  /** Bit i: `newest` − i was never seen. 0n, which takes no memory, for a device that skips nothing. */
  readonly missing: bigint;
};

export type DedupWindow = {
  /** By boot, the one that began last first. */
  readonly boots: readonly SequenceWindow[];
  /** Hashes of the newest identities without a number; `next` is the oldest's place once the ring is full. */
  readonly ring: readonly number[];
  readonly next: number;
};

export const emptyWindow: DedupWindow = { boots: [], ring: [], next: 0 };

/** Whether a message of this identity has been remembered (or provably must have been). */
export function sawBefore(window: DedupWindow, identity: MessageIdentity): boolean {
  if (identity.kind !== "sequence") return window.ring.includes(hashOf(identity));
  const { boot, seq } = identity;
  const sequence = bootOf(window, boot);
  if (sequence === undefined || seq > sequence.newest) return false;
  const age = sequence.newest - seq;
  if (age >= windowSize) return boot !== ""; // W2
  return sequence.missing === 0n || ((sequence.missing >> BigInt(age)) & 1n) === 0n;
}

/** The window with this identity in it. */
export function remember(window: DedupWindow, identity: MessageIdentity): DedupWindow {
  if (identity.kind !== "sequence") return rememberHash(window, hashOf(identity));
  const { boots, ring, next } = window;
  const { boot, seq } = identity;
  const known = bootOf(window, boot);
  if (known === undefined) return { boots: [begun(boot, seq), ...boots].slice(0, keptBoots), ring, next };
  const changed = withSeq(known, seq);
  return changed === known ? window : { boots: boots.map((each) => (each === known ? changed : each)), ring, next };
}

/** As JSON: per boot its name, newest number and missing bits in hexadecimal; then the ring. */
export type DedupWindowJson = {
  boots: [boot: string, newest: number, missing: string][];
  ring: number[];
  next: number;
};

export function windowToJson({ boots, ring, next }: DedupWindow): DedupWindowJson {
  return {
    boots: boots.map(({ boot, newest, missing }) => [boot, newest, missing.toString(16)]),
    ring: [...ring],
    next,
  };
}

export function windowFromJson({ boots, ring, next }: DedupWindowJson): DedupWindow {
  return {
    boots: boots.map(([boot, newest, missing]) => ({ boot, newest, missing: BigInt(`0x${missing}`) })),
    ring: [...ring],
    next,
  };
}

const fullWindow = (1n << BigInt(windowSize)) - 1n;
const allButNewest = fullWindow - 1n;

function bootOf(window: DedupWindow, boot: string): SequenceWindow | undefined {
  for (const sequence of window.boots) if (sequence.boot === boot) return sequence;
  return undefined;
}

/** A window that has seen `seq` only: what came before it may still come. */
function begun(boot: string, seq: number): SequenceWindow {
  const missing = seq >= windowSize - 1 ? allButNewest : (1n << BigInt(seq + 1)) - 2n;
  return { boot, newest: seq, missing };
}

function withSeq(sequence: SequenceWindow, seq: number): SequenceWindow {
  const { boot, newest, missing } = sequence;
  if (seq > newest) {
    const ahead = seq - newest;
    if (ahead === 1) return { boot, newest: seq, missing: missing === 0n ? 0n : (missing << 1n) & fullWindow };
    if (ahead >= windowSize) return { boot, newest: seq, missing: allButNewest };
    const skipped = (1n << BigInt(ahead)) - 2n;
    return { boot, newest: seq, missing: ((missing << BigInt(ahead)) | skipped) & fullWindow };
  }
  const age = newest - seq;
  if (age >= windowSize) return boot === "" ? begun(boot, seq) : sequence; // W2
  const bit = 1n << BigInt(age);
  return (missing & bit) === 0n ? sequence : { boot, newest, missing: missing ^ bit };
}

function rememberHash(window: DedupWindow, hash: number): DedupWindow {
  const { boots, ring, next } = window;
  if (ring.includes(hash)) return window;
  if (ring.length < ringSize) return { boots, ring: ring.concat(hash), next };
  const replaced = ring.slice();
  replaced[next] = hash;
  return { boots, ring: replaced, next: (next + 1) % ringSize };
}

function hashOf(identity: Exclude<MessageIdentity, { kind: "sequence" }>): number {
  return identity.kind === "id" ? hash53(`id:${identity.id}`) : identity.hash;
}
