/**
 * The receiver's side of QoS 2 for one session (MQTT 5.0 §4.3.3, method B): a packet id that was handed to the
 * application is not handed to it again until its PUBREL, over reconnects too.
 */
export class IncomingQos2<Outcome> {
  readonly #ids = new Map<number, Received<Outcome>>();

  /** Packet ids that wait for the application or for their PUBREL. */
  get size(): number {
    return this.#ids.size;
  }

  /**
   * `fresh`: hand it to the application and call `decided`. `duplicate`: do not; `recall` calls back with the outcome
   * of the first one, at once if it is known.
   */
  begin(
    packetId: number,
  ): { kind: "fresh"; received: Received<Outcome> } | { kind: "duplicate"; received: Received<Outcome> } {
    const known = this.#ids.get(packetId);
    if (known !== undefined) return { kind: "duplicate", received: known };
    const received: Received<Outcome> = { outcome: null, waiting: [] };
    this.#ids.set(packetId, received);
    return { kind: "fresh", received };
  }

  recall(received: Received<Outcome>, tell: (outcome: Outcome) => void): void {
    if (received.outcome !== null) tell(received.outcome);
    else received.waiting.push(tell);
  }

  /** `keep` is false for a refused one: its id is free again (MQTT 5.0 §4.3.3, PUBREC with 0x80 or more). */
  decided(packetId: number, received: Received<Outcome>, outcome: Outcome, keep: boolean): void {
    received.outcome = outcome;
    if (!keep && this.#ids.get(packetId) === received) this.#ids.delete(packetId);
    for (const tell of received.waiting.splice(0)) tell(outcome);
  }

  /** On PUBREL; false if the id is not known. */
  release(packetId: number): boolean {
    return this.#ids.delete(packetId);
  }
}

export type Received<Outcome> = { outcome: Outcome | null; waiting: ((outcome: Outcome) => void)[] };
