import type { TwinStateStore } from "../../ports/twin-state/port.ts";

/** Tells the store whose deadlines this host watches, and whose no more: in batches, behind the turns. */
export class DeadlineClaims {
  readonly #store: Pick<TwinStateStore, "adopt" | "release">;
  readonly #adopting = new Set<string>();
  readonly #releasing = new Set<string>();

  constructor(store: Pick<TwinStateStore, "adopt" | "release">) {
    this.#store = store;
  }

  adopt(device: string): void {
    this.#releasing.delete(device);
    this.#adopting.add(device);
  }

  release(device: string): void {
    this.#adopting.delete(device);
    this.#releasing.add(device);
  }

  /** The twin is nobody's business of ours: what we had to say of it is not said. */
  forget(device: string): void {
    this.#adopting.delete(device);
  }

  /** Rejects when the store does not answer; what was to be told then is told with the next call. */
  async tell(): Promise<void> {
    await this.#tellOf(this.#adopting, (devices) => this.#store.adopt(devices));
    await this.#tellOf(this.#releasing, (devices) => this.#store.release(devices));
  }

  async #tellOf(devices: Set<string>, tell: (devices: readonly string[]) => Promise<void>): Promise<void> {
    if (devices.size === 0) return;
    const told = [...devices];
    devices.clear();
    try {
      await tell(told);
    } catch (error) {
      for (const device of told) devices.add(device);
      throw error;
    }
  }
}
