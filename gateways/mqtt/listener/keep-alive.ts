/**
 * Whether a client has been silent for too long: 1.5 × its keep-alive [MQTT-3.1.2-24]. Costs a flag per packet; the
 * clock is read by a sweep that asks every connection about each second, so that an end comes up to one sweep late.
 */
export class KeepAlive {
  readonly #silenceMs: number;
  #heard = true;
  #lastHeardMs: number;

  /** `seconds` as in the CONNECT; 0 is never too long. */
  constructor(seconds: number, nowMs: number) {
    this.#silenceMs = seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1_500;
    this.#lastHeardMs = nowMs;
  }

  heard(): void {
    this.#heard = true;
  }

  elapsed(nowMs: number): boolean {
    if (this.#heard) {
      this.#heard = false;
      this.#lastHeardMs = nowMs;
    }
    return nowMs - this.#lastHeardMs > this.#silenceMs;
  }
}
