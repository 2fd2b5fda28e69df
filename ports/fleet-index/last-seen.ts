/**
 * When devices were seen, of which only a part is worth a write: a message moves nothing else in the index.
 *
 * N1 At most one write per device and `intervalMs` for being seen alone.
 * N2 A write for any other reason carries the newest sighting, so that a device that went silent shows its last word.
 * N3 What was not committed does not count as written: `commit` comes after the transaction.
 */
import type { DeviceChange, Position } from "./changes.ts";

type Sighting = {
  /** Newest sighting that is stored, and newest of all: epoch ms. */
  writtenMs: number;
  seenMs: number;
  position: Position | null;
};

export type Seen = { readonly lastSeenMs: number; readonly position: Position | null };

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
    return forItself || alongside ? { lastSeenMs, position: change.position ?? known?.position ?? null } : null;
  }

  /** Remembers the batch after its transaction; `due` gave what was written of it. */
  commit(devices: ReadonlyMap<string, DeviceChange>): void {
    let newestMs = 0;
    for (const [id, change] of devices) {
      const written = this.due(id, change);
      if (change.anew) this.#sightings.delete(id);
      if (written !== null) {
        this.#sightings.set(id, { writtenMs: written.lastSeenMs, seenMs: written.lastSeenMs, position: null });
      } else {
        const known = this.#sightings.get(id);
        if (known !== undefined) {
          known.seenMs = Math.max(known.seenMs, change.lastSeenMs);
          known.position = change.position ?? known.position;
        }
      }
      newestMs = Math.max(newestMs, change.lastSeenMs);
    }
    if (newestMs - this.#sweptMs >= 2 * this.#intervalMs) this.#sweep(newestMs);
  }

  /** How many devices are remembered: those seen lately. */
  get size(): number {
    return this.#sightings.size;
  }

  /** An old sighting that is stored says no more than none. */
  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const [id, { writtenMs, seenMs }] of this.#sightings)
      if (writtenMs === seenMs && nowMs - writtenMs >= this.#intervalMs) this.#sightings.delete(id);
  }
}
