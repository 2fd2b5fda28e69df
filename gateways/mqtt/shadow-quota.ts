/**
 * Counts the shadow requests of a thing that are not answered yet.
 * AWS IoT Core quotas, Device Shadow: at most ten of them in flight per thing.
 */
export class ShadowQuota {
  readonly #inFlight = new Map<string, number>();

  /** False if the thing has to wait for answers first. */
  admits(thing: string): boolean {
    return (this.#inFlight.get(thing) ?? 0) < maxShadowRequestsInFlight;
  }

  asked(thing: string): void {
    this.#inFlight.set(thing, (this.#inFlight.get(thing) ?? 0) + 1);
  }

  answered(thing: string): void {
    const left = (this.#inFlight.get(thing) ?? 1) - 1;
    if (left === 0) this.#inFlight.delete(thing);
    else this.#inFlight.set(thing, left);
  }
}

const maxShadowRequestsInFlight = 10;
