import type { Listening, TwinInput } from "../../core/device/inputs.ts";

/**
 * Through a broker, "it has subscribed" can arrive before "it has connected": they come by different gateways. So what a
 * device listens to is remembered for a moment, and said again to the session that turns up.
 */
export class EarlyListening {
  #heard: { readonly to: Listening; readonly atMs: number }[] = [];

  note(to: Listening, nowMs: number): void {
    const recent = this.#heard.filter(({ atMs }) => nowMs - atMs < rememberedMs);
    this.#heard = [...recent, { to, atMs: nowMs }].slice(-maxRemembered);
  }

  /** What the session that has just connected listens to, as inputs. */
  of(session: string, nowMs: number): TwinInput[] {
    const recent = this.#heard.filter(({ atMs }) => nowMs - atMs < rememberedMs);
    this.#heard = [];
    return recent.map(({ to }) => ({ kind: "listening", session, to }));
  }
}

const rememberedMs = 10_000;
/** More than the filters that a device subscribes to at once. */
const maxRemembered = 32;
