/**
 * Which messages of a device have been seen before, in bounded memory. Leaves naming a message's identity to telemetry.
 *
 * W1 Whatever is among the newest 8,192 sequence numbers of the newest two boots (1,024 where the device names none), or
 *    the newest 64 ids and hashes, is known exactly (ids by 53 bits of hash). So wide, since two gateways may take a
 *    device's messages side by side, and what one of them has is thousands behind while it is busy.
 * W2 A number below the window is a duplicate only where the device names its boot: a counter that runs on within one
 *    boot proves it. Without a boot such a number says that the counter began anew, and the window follows it.
 * W3 The window is a value: `remember` leaves the old one as it was.
 */
import { hash53 } from "../hash.ts";
import type { MessageIdentity } from "./telemetry.ts";

/** Bits of a boot that the device names, and of a device that names none: its counter begins anew unseen. */
export const windowSize = 8_192;
export const namelessSize = 1_024;
export const ringSize = 64;

/** The sequence numbers of one boot. */
type SequenceWindow = {
  readonly boot: string;
  /** -1 before the first one. */
  readonly newest: number;
  /**
   * Bit i: number `base` + i was never seen. Most devices skip nothing, or their number 0 only: `base` stays where the
   * bits begin, and the next number changes none. 0n, which takes no memory, if nothing is missing.
   */
  readonly missing: bigint;
  readonly base: number;
};

/** The boot that began last, flat, since there is one for each of a million twins; and what else is known. */
export type DedupWindow = SequenceWindow & {
  readonly earlier: SequenceWindow | null;
  /** Hashes of the newest identities without a number, the oldest first. */
  readonly hashes: readonly number[];
};

export const emptyWindow: DedupWindow = { boot: "", newest: -1, missing: 0n, base: 0, earlier: null, hashes: [] };

/** Whether a message of this identity has been remembered (or provably must have been). */
export function sawBefore(window: DedupWindow, identity: MessageIdentity): boolean {
  if (identity.kind !== "sequence") return window.hashes.includes(hashOf(identity));
  const { boot, seq } = identity;
  const known = sequenceFor(window, boot);
  if (known === null || seq > known.newest) return false;
  if (known.newest - seq >= sizeOf(boot)) return boot !== ""; // W2
  return !isMissing(known, seq);
}

/**
 * Whether `sawBefore` is sure of this identity (W1). Not of numbers below the window or of a boot that it does not know,
 * nor of ids and hashes that as many newer ones may have pushed out.
 */
export function isSure(window: DedupWindow, identity: MessageIdentity): boolean {
  if (identity.kind !== "sequence") return window.hashes.length < ringSize || sawBefore(window, identity);
  const { boot, seq } = identity;
  const known = sequenceFor(window, boot);
  return known === null ? window.newest < 0 : seq > known.newest - sizeOf(boot);
}

/** The window with this identity in it. */
export function remember(window: DedupWindow, identity: MessageIdentity): DedupWindow {
  if (identity.kind !== "sequence") return rememberHash(window, hashOf(identity));
  const { earlier, hashes } = window;
  const { boot, seq } = identity;
  const known = sequenceFor(window, boot);
  if (known === null) return windowOf(begun(boot, seq), window.newest < 0 ? null : sequenceOf(window), hashes);
  const changed = withSeq(known, seq);
  if (changed === known) return window;
  return known === window ? windowOf(changed, earlier, hashes) : windowOf(window, changed, hashes);
}

/** As JSON: per boot, the newest first, its name and newest number; if some are missing, their base and bits in hex. */
export type DedupWindowJson = {
  boots: [boot: string, newest: number, base?: number, missing?: string][];
  hashes?: number[];
};

export function windowToJson(window: DedupWindow): DedupWindowJson {
  const boots: DedupWindowJson["boots"] = [];
  for (const sequence of [window, window.earlier]) {
    if (sequence === null || sequence.newest < 0) continue;
    const { boot, newest, missing, base } = sequence;
    boots.push(missing === 0n ? [boot, newest] : [boot, newest, base, missing.toString(16)]);
  }
  return window.hashes.length === 0 ? { boots } : { boots, hashes: [...window.hashes] };
}

export function windowFromJson({ boots, hashes }: DedupWindowJson): DedupWindow {
  const [current = emptyWindow, earlier = null] = boots.map(
    ([boot, newest, base = 0, missing = "0"]): SequenceWindow => ({
      boot,
      newest,
      missing: BigInt(`0x${missing}`),
      base,
    }),
  );
  return windowOf(current, earlier, hashes ?? emptyWindow.hashes);
}

function sequenceFor(window: DedupWindow, boot: string): SequenceWindow | null {
  if (window.boot === boot && window.newest >= 0) return window;
  return window.earlier?.boot === boot ? window.earlier : null;
}

function isMissing({ missing, base }: SequenceWindow, seq: number): boolean {
  return missing !== 0n && seq >= base && ((missing >> BigInt(seq - base)) & 1n) === 1n;
}

/** A window that has seen `seq` only: what came before it may still come. */
function begun(boot: string, seq: number): SequenceWindow {
  const base = Math.max(0, seq - sizeOf(boot) + 1);
  return sequence(boot, seq, ones(seq - base), base);
}

function withSeq(known: SequenceWindow, seq: number): SequenceWindow {
  const { boot, newest, missing, base } = known;
  if (seq > newest) {
    const skipped = seq - newest - 1;
    if (skipped >= sizeOf(boot) - 1) return begun(boot, seq);
    if (skipped === 0) return trimmed(boot, seq, missing, base);
    if (missing === 0n) return sequence(boot, seq, ones(skipped), newest + 1);
    return trimmed(boot, seq, missing | (ones(skipped) << BigInt(newest + 1 - base)), base);
  }
  if (newest - seq >= sizeOf(boot)) return boot === "" ? begun(boot, seq) : known; // W2
  return isMissing(known, seq) ? sequence(boot, newest, missing ^ (1n << BigInt(seq - base)), base) : known;
}

/** Bits below the window go, some at a time: to move them all with each message would cost each message. */
const trimmedAtOnce = 64;

function trimmed(boot: string, newest: number, missing: bigint, base: number): SequenceWindow {
  const below = newest - sizeOf(boot) + 1 - base;
  if (missing === 0n || below < trimmedAtOnce) return sequence(boot, newest, missing, base);
  return sequence(boot, newest, missing >> BigInt(below), base + below);
}

function sizeOf(boot: string): number {
  return boot === "" ? namelessSize : windowSize;
}

function ones(count: number): bigint {
  return count === 1 ? 1n : (1n << BigInt(count)) - 1n; // The literal is one for all devices that count from 1.
}

function sequence(boot: string, newest: number, missing: bigint, base: number): SequenceWindow {
  return { boot, newest, missing, base: missing === 0n ? 0 : base };
}

function sequenceOf({ boot, newest, missing, base }: SequenceWindow): SequenceWindow {
  return { boot, newest, missing, base };
}

function windowOf(
  { boot, newest, missing, base }: SequenceWindow,
  earlier: SequenceWindow | null,
  hashes: readonly number[],
): DedupWindow {
  return { boot, newest, missing, base, earlier, hashes };
}

function rememberHash(window: DedupWindow, hash: number): DedupWindow {
  const { earlier, hashes } = window;
  if (hashes.includes(hash)) return window;
  const kept = hashes.length < ringSize ? hashes : hashes.slice(1);
  return windowOf(window, earlier, kept.concat(hash));
}

function hashOf(identity: Exclude<MessageIdentity, { kind: "sequence" }>): number {
  return identity.kind === "id" ? hash53(`id:${identity.id}`) : identity.hash;
}
