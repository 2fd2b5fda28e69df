/**
 * When devices were seen, of which only a part is worth a write: a message moves nothing else in the index.
 * One for each log, whose batches come one after another.
 *
 * N1 At most one write per device and `intervalMs` for being seen alone.
 * N2 A write for any other reason carries the newest sighting, so that a device that went silent shows its last word.
 * N3 What was not committed does not count as written: `commit` and `settled` come after the transaction.
 * N4 What a device's silence would leave unwritten is in `waiting` (its presence may come by another log).
 */
import type { DeviceChange, Position } from "./changes.ts";

type Sighting = {
  /** Newest sighting that is stored, and newest of all: epoch ms. */
  writtenMs: number;
  seenMs: number;
  /** The newest that is not stored. */
  position: Position | null;
  positionMs: number;
};

/** As in `DeviceChange`. */
export type Seen = { readonly lastSeenMs: number; readonly position: Position | null; readonly positionMs: number };

export class LastSeen {
  readonly #intervalMs: number;
  readonly #sightings = new Map<string, Sighting>();
  #sweptMs = 0;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** What to write of the device's sightings now; null for nothing. */
  due(id: string, change: DeviceChange): Seen | null {
    const known = change.anew ? undefined : this.#sightings.get(id);
    const lastSeenMs = Math.max(change.lastSeenMs, known?.seenMs ?? 0);
    if (lastSeenMs === 0) return null;
    const forItself = lastSeenMs - (known?.writtenMs ?? 0) >= this.#intervalMs;
    const alongside = change.presence !== null || change.registration !== null;
    if (!forItself && !alongside) return null;
    const { position, positionMs } = change.position !== null || known === undefined ? change : known;
    return { lastSeenMs, position, positionMs };
  }

  /** Remembers the batch after its transaction; `due` gave what was written of it. */
  commit(devices: ReadonlyMap<string, DeviceChange>): void {
    let newestMs = 0;
    for (const [id, change] of devices) {
      const written = this.due(id, change);
      if (change.anew) this.#sightings.delete(id);
      if (written !== null) {
        const { lastSeenMs } = written;
        this.#sightings.set(id, { writtenMs: lastSeenMs, seenMs: lastSeenMs, position: null, positionMs: 0 });
      } else {
        const known = this.#sightings.get(id);
        if (known !== undefined) {
          known.seenMs = Math.max(known.seenMs, change.lastSeenMs);
          if (change.position !== null) {
            known.position = change.position;
            known.positionMs = change.positionMs;
          }
        }
      }
      newestMs = Math.max(newestMs, change.lastSeenMs);
    }
    if (newestMs - this.#sweptMs >= 2 * this.#intervalMs) this.#sweep(newestMs);
  }

  /** What is not written of devices that were last seen before `beforeMs`. */
  waiting(beforeMs: number): Map<string, Seen> {
    const found = new Map<string, Seen>();
    for (const [id, { writtenMs, seenMs, position, positionMs }] of this.#sightings)
      if (seenMs < beforeMs && (seenMs > writtenMs || position !== null))
        found.set(id, { lastSeenMs: seenMs, position, positionMs });
    return found;
  }

  /** These, of `waiting`, are written. */
  settled(seen: ReadonlyMap<string, Seen>): void {
    for (const [id, { lastSeenMs, position }] of seen) {
      const known = this.#sightings.get(id);
      if (known === undefined) continue;
      known.writtenMs = Math.max(known.writtenMs, lastSeenMs);
      if (known.position === position) known.position = null;
    }
  }

  /** How many devices are remembered: those seen lately. */
  get size(): number {
    return this.#sightings.size;
  }

  /** An old sighting that is stored says no more than none. */
  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const [id, { writtenMs, seenMs, position }] of this.#sightings)
      if (writtenMs === seenMs && position === null && nowMs - writtenMs >= this.#intervalMs)
        this.#sightings.delete(id);
  }
}
