import { evolve } from "./evolve.ts";
import type { Reply, Send } from "./inputs.ts";
import type { TwinRecord } from "./records.ts";
import type { Twin } from "./twin.ts";

/** What a turn comes to: the records to commit, the twin that they make, the sends and the reply. */
export type TurnOutcome = {
  readonly twin: Twin;
  readonly records: readonly TwinRecord[];
  readonly sends: readonly Send[];
  readonly reply: Reply;
};

/** A turn under way: collects what happened and always shows the twin as it is after that. */
export class Turn {
  #twin: Twin;
  readonly #records: TwinRecord[] = [];
  readonly #sends: Send[] = [];

  constructor(twin: Twin) {
    this.#twin = twin;
  }

  get twin(): Twin {
    return this.#twin;
  }

  get records(): readonly TwinRecord[] {
    return this.#records;
  }

  record(record: TwinRecord): void {
    this.#records.push(record);
    this.#twin = evolve(this.#twin, record);
  }

  send(send: Send): void {
    this.#sends.push(send);
  }

  reply(reply: Reply): TurnOutcome {
    return { twin: this.#twin, records: this.#records, sends: this.#sends, reply };
  }
}
