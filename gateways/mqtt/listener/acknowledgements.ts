/**
 * The publishes of one connection that the application has yet to decide on. Acknowledgements go out in the order in
 * which the publishes came [MQTT-4.6.0-2], whatever the order of the decisions.
 */
export class Acknowledgements<Outcome> {
  readonly #send: (pending: Pending<Outcome>, outcome: Outcome) => void;
  #queue: Pending<Outcome>[] = [];
  #head = 0;

  constructor(send: (pending: Pending<Outcome>, outcome: Outcome) => void) {
    this.#send = send;
  }

  /** Publishes that wait for a decision, or for that of an earlier one. */
  get size(): number {
    return this.#queue.length - this.#head;
  }

  expect(qos: 0 | 1 | 2, packetId: number): Pending<Outcome> {
    const pending: Pending<Outcome> = { qos, packetId, outcome: null };
    this.#queue.push(pending);
    return pending;
  }

  settle(pending: Pending<Outcome>, outcome: Outcome): void {
    if (pending.outcome !== null) return;
    pending.outcome = outcome;
    for (
      let next = this.#queue[this.#head];
      next !== undefined && next.outcome !== null;
      next = this.#queue[this.#head]
    ) {
      this.#head++;
      this.#send(next, next.outcome);
    }
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
  }
}

export type Pending<Outcome> = { readonly qos: 0 | 1 | 2; readonly packetId: number; outcome: Outcome | null };
