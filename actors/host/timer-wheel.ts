/**
 * When which twin has to be woken, for a million of them: a hierarchical timer wheel over ids.
 *
 * It is lazy: a timer keeps the earliest moment that it was scheduled for, so the usual renewal ("not before a minute
 * from now", with each message) costs one comparison. Whoever is woken too early schedules anew. It has no clock of its
 * own: the caller asks what is due. And it looks no id up: the caller keeps each one's timer, in the place that it has
 * for it anyway.
 *
 * D1 `due` gives a timer's id once, exactly when its moment is not after `nowMs`; then the timer is gone.
 */

/** A timer's row in the wheel; its number is used again when it is gone. */
export type Timer = number;
export const noTimer: Timer = -1;

const tickMs = 64;
/** 64 slots a level; 5 levels of 6 bits are 2^30 ticks: 2.2 years. What lies further off waits in the last slot. */
const levels = 5;
const bits = 6;
const slots = 64;
const lastTick = 2 ** 30 - 1;
const none = -1;

/**
 * Timers are rows of parallel arrays, chained into their slot's list: nothing is allocated for one. A timer of level L has
 * all bits above that level in common with the wheel's current tick, so within a level a later slot is later, and a
 * higher level is later than every lower one.
 */
export class TimerWheel {
  readonly #originMs: number;
  /** Every entry of an earlier tick has been given out. */
  #tick = 0;
  readonly #ids: (string | undefined)[] = [];
  #atMs = new Float64Array(64);
  #next = new Int32Array(64);
  #previous = new Int32Array(64);
  /** Level × 64 + slot. */
  #slotOf = new Uint16Array(64);
  #size = 0;
  readonly #heads = new Int32Array(levels * slots).fill(none);
  /** First of the chain of rows that are free to use, through `#next`. */
  #free = none;

  /** @param nowMs the caller's clock, epoch ms; it may run on from here as it likes, backwards too */
  constructor(nowMs: number) {
    this.#originMs = nowMs;
  }

  /** How many timers run. */
  get size(): number {
    return this.#size;
  }

  /** Wakes `id` at `atMs` (epoch ms), unless its timer wakes it earlier already. Gives its timer, a new one for none. */
  schedule(timer: Timer, id: string, atMs: number): Timer {
    if (timer !== noTimer) {
      if (atMs >= this.#atMs[timer]!) return timer;
      this.#unlink(timer);
    }
    const entry = timer === noTimer ? this.#newRow(id) : timer;
    this.#atMs[entry] = atMs;
    this.#link(entry);
    return entry;
  }

  cancel(timer: Timer): void {
    if (timer === noTimer) return;
    this.#unlink(timer);
    this.#forget(timer);
  }

  /** Takes out the ids whose moment has come, at most `atMost`: about in the order of their moments. */
  due(nowMs: number, atMost = Number.POSITIVE_INFINITY): string[] {
    const ids: string[] = [];
    // A clock that was set back still finds what is overdue: that lies in the current tick's slot.
    const target = Math.max(this.#tick, this.#tickOf(nowMs));
    while (ids.length < atMost) {
      const slot = this.#firstSlot();
      if (slot === none) break;
      const start = this.#startOf(slot);
      if (start > target) break;
      this.#tick = start;
      if (slot >= slots) {
        this.#spread(slot);
        continue;
      }
      this.#takeDue(slot, nowMs, atMost, ids);
      if (this.#heads[slot] !== none) break; // What is left of it comes later in this very tick, or is too much.
    }
    if (ids.length < atMost) this.#tick = target;
    return ids;
  }

  /** The earliest moment in the wheel, epoch ms; null if it is empty. It looks through one slot. */
  nextMs(): number | null {
    const slot = this.#firstSlot();
    if (slot === none) return null;
    let earliest = Number.POSITIVE_INFINITY;
    for (let entry = this.#heads[slot]!; entry !== none; entry = this.#next[entry]!) {
      earliest = Math.min(earliest, this.#atMs[entry]!);
    }
    return earliest;
  }

  /** The moment's tick, within what the wheel can tell apart. */
  #tickOf(ms: number): number {
    return Math.min(lastTick, Math.max(0, Math.floor((ms - this.#originMs) / tickMs)));
  }

  /** Index of the earliest slot that is not empty. */
  #firstSlot(): number {
    return this.#heads.findIndex((head) => head !== none);
  }

  /** First tick of a slot that is not behind the current tick. */
  #startOf(slot: number): number {
    const shift = bits * Math.floor(slot / slots);
    const above = shift + bits;
    return ((this.#tick >>> above) << above) | ((slot % slots) << shift);
  }

  /** Puts the entries of a slot that has come up into the finer slots below it. */
  #spread(slot: number): void {
    let entry = this.#heads[slot]!;
    this.#heads[slot] = none;
    while (entry !== none) {
      const next = this.#next[entry]!;
      this.#link(entry);
      entry = next;
    }
  }

  #takeDue(slot: number, nowMs: number, atMost: number, ids: string[]): void {
    let entry = this.#heads[slot]!;
    while (entry !== none && ids.length < atMost) {
      const next = this.#next[entry]!;
      if (this.#atMs[entry]! <= nowMs) {
        ids.push(this.#ids[entry]!);
        this.#unlink(entry);
        this.#forget(entry);
      }
      entry = next;
    }
  }

  /** Gives the row of an entry that is in no slot free. */
  #forget(entry: number): void {
    this.#ids[entry] = undefined;
    this.#size -= 1;
    this.#next[entry] = this.#free;
    this.#free = entry;
  }

  /** Chains the entry into the slot of its moment, or of the current tick if that is past. */
  #link(entry: number): void {
    const tick = Math.max(this.#tick, this.#tickOf(this.#atMs[entry]!));
    const differing = tick ^ this.#tick;
    const level = differing === 0 ? 0 : Math.floor((31 - Math.clz32(differing)) / bits);
    const slot = level * slots + ((tick >>> (bits * level)) % slots);
    const head = this.#heads[slot]!;
    this.#slotOf[entry] = slot;
    this.#next[entry] = head;
    this.#previous[entry] = none;
    if (head !== none) this.#previous[head] = entry;
    this.#heads[slot] = entry;
  }

  #unlink(entry: number): void {
    const next = this.#next[entry]!;
    const previous = this.#previous[entry]!;
    if (previous === none) this.#heads[this.#slotOf[entry]!] = next;
    else this.#next[previous] = next;
    if (next !== none) this.#previous[next] = previous;
  }

  #newRow(id: string): number {
    this.#size += 1;
    if (this.#free !== none) {
      const row = this.#free;
      this.#free = this.#next[row]!;
      this.#ids[row] = id;
      return row;
    }
    const row = this.#ids.length;
    if (row === this.#atMs.length) {
      this.#atMs = grown(this.#atMs, new Float64Array(row * 2));
      this.#next = grown(this.#next, new Int32Array(row * 2));
      this.#previous = grown(this.#previous, new Int32Array(row * 2));
      this.#slotOf = grown(this.#slotOf, new Uint16Array(row * 2));
    }
    this.#ids.push(id);
    return row;
  }
}

function grown<T extends Float64Array | Int32Array | Uint16Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
