/** For tests: presence once more, told without a machine and without deadlines. */
export class PresenceReference {
  up = false;
  sinceMs = 0;
  live: string | null = null;
  /** The newest session that is known to have ended, while none is live. */
  ended: string | null = null;
  /** When the connection broke that may still come back. */
  lostMs: number | null = null;

  /** A session that is newer than all before it. */
  connected(session: string, atMs: number): void {
    this.live = session;
    this.ended = null;
    this.#turn(true, atMs);
  }

  disconnected(session: string, graceful: boolean, atMs: number): void {
    if (this.live !== session) return;
    this.#hangUp();
    if (!this.up) return;
    if (graceful) this.#turn(false, atMs);
    else this.lostMs = atMs;
  }

  will(session: string, atMs: number): void {
    if (this.up && this.live === session) this.disconnected(session, false, atMs);
  }

  message(session: string | null, atMs: number): void {
    if (this.#speaksForDevice(session)) this.#turn(true, atMs);
  }

  saysOffline(session: string | null, atMs: number): void {
    if (this.lostMs !== null) this.#turn(false, this.lostMs);
    else if (this.up && this.#speaksForDevice(session)) this.#turn(false, atMs);
  }

  silent(atMs: number): void {
    this.#turn(false, atMs);
  }

  graceOver(): void {
    if (this.lostMs !== null) this.#turn(false, this.lostMs);
  }

  orphaned(heardSince: boolean, atMs: number): void {
    this.live = null;
    if (!heardSince) this.#turn(false, atMs);
  }

  #turn(up: boolean, sinceMs: number): void {
    if (this.up !== up) this.sinceMs = sinceMs;
    this.up = up;
    this.lostMs = null;
  }

  #hangUp(): void {
    this.ended = this.live;
    this.live = null;
  }

  #speaksForDevice(session: string | null): boolean {
    if (session === null) return true;
    return this.live === null ? session !== this.ended : session === this.live;
  }
}
