import type { Listening, TwinInput } from "../../core/device/inputs.ts";
import type { Session } from "../../core/device/presence.ts";

/**
 * Through a broker, "it has subscribed" and even "it has gone" can arrive before "it has connected": they come by different
 * gateways. So both are remembered for a moment, and said again to the session that turns up.
 *
 * What a device listens to belongs to the session in which it said so: the broker's clock tells, where it was given.
 */
export class EarlyWords {
  #listening: { readonly to: Listening; readonly atMs: number; readonly saidAtMs: number | null }[] = [];
  #ends: { readonly end: End; readonly atMs: number }[] = [];

  /** @param saidAtMs by the clock that dates sessions; null if it is not known */
  noteListening(to: Listening, saidAtMs: number | null, nowMs: number): void {
    this.#listening = [...this.#listening.filter(isRecent(nowMs)), { to, atMs: nowMs, saidAtMs }].slice(-maxRemembered);
  }

  noteEnd(end: End, nowMs: number): void {
    this.#ends = [...this.#ends.filter(isRecent(nowMs)), { end, atMs: nowMs }].slice(-maxRemembered);
  }

  /** What was said of the session that has just connected, as inputs. */
  of({ id, connectedAtMs }: Session, nowMs: number): TwinInput[] {
    const listening = this.#listening
      .filter(isRecent(nowMs))
      .filter(({ saidAtMs }) => saidAtMs === null || saidAtMs >= connectedAtMs);
    const ends = this.#ends.filter(isRecent(nowMs)).filter(({ end }) => end.session === id);
    this.#listening = [];
    this.#ends = [];
    return [
      ...listening.map(({ to }): TwinInput => ({ kind: "listening", session: id, to })),
      ...ends.map(({ end }) => end),
    ];
  }
}

type End = Extract<TwinInput, { kind: "disconnected" }>;

function isRecent(nowMs: number): (word: { readonly atMs: number }) => boolean {
  return ({ atMs }) => nowMs - atMs < rememberedMs;
}

const rememberedMs = 10_000;
/** More than the filters that a device subscribes to at once. */
const maxRemembered = 32;
