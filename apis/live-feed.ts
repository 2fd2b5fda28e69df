/**
 * What was committed anywhere, as this process hears it from the log: for live views and for counting. A copy that a crash
 * made may be told twice; a view that missed something asks anew.
 */
import type { CommittedTurn } from "../actors/host/port.ts";
import type { TwinRecord } from "../core/device/records.ts";
import type { FleetIndex } from "../ports/fleet-index/port.ts";
import { type Following, type LoggedRecord, logTopics, type RecordSource } from "../ports/record-log/port.ts";

export type LiveFeed = {
  /** Gives the function that ends it. */
  onCommitted(listener: (turns: readonly CommittedTurn[]) => void): () => void;
  stop(): Promise<void>;
};

/** Follows from the moment in which the log answers: an API serves what it can while the log is away. */
export function openLiveFeed(parts: {
  readonly source: Pick<RecordSource, "follow">;
  readonly fleet: Pick<FleetIndex, "device">;
  readonly onTrouble: (error: Error) => void;
}): LiveFeed {
  const listeners = new Set<(turns: readonly CommittedTurn[]) => void>();
  const regions = new Regions((device) => parts.fleet.device(device).then((found) => found?.region ?? ""));
  const following: Promise<Following | null> = parts.source.follow(logTopics, (records) => {
    const turns = turnsOf(records, (device) => regions.of(device));
    for (const { device, records: told } of turns) regions.learn(device, told);
    for (const listener of listeners) listener(turns);
  });
  following.catch(parts.onTrouble);
  return {
    onCommitted(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      const stopped = following.then((begun) => begun?.stop()).catch(() => {});
      // A log that has never answered is not waited for.
      await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, stopMs).unref())]);
    },
  };
}

/** Neighbouring records of one device as one turn: what is told together was decided together, or nearly. */
export function turnsOf(records: readonly LoggedRecord[], regionOf: (device: string) => string): CommittedTurn[] {
  const turns: (CommittedTurn & { records: TwinRecord[] })[] = [];
  for (const { device, record } of records) {
    const last = turns.at(-1);
    if (last?.device === device) last.records.push(record);
    else turns.push({ device, region: regionOf(device), records: [record], sends: [] });
  }
  return turns;
}

/** Where devices are registered, as far as it is known here: asked for once, then learnt from the records. */
class Regions {
  readonly #known = new Map<string, string>();
  readonly #ask: (device: string) => Promise<string>;

  constructor(ask: (device: string) => Promise<string>) {
    this.#ask = ask;
  }

  /** "" while it is not known. */
  of(device: string): string {
    const known = this.#known.get(device);
    if (known !== undefined) return known;
    this.#keep(device, "");
    this.#ask(device).then(
      (region) => {
        if (this.#known.get(device) === "") this.#keep(device, region);
      },
      () => this.#known.delete(device),
    );
    return "";
  }

  learn(device: string, records: readonly TwinRecord[]): void {
    for (const record of records) {
      if (record.kind === "registered" || record.kind === "registrationChanged")
        this.#keep(device, record.registration.region);
    }
  }

  #keep(device: string, region: string): void {
    if (this.#known.size >= maxKnown)
      for (const oldest of [...this.#known.keys()].slice(0, maxKnown / 10)) this.#known.delete(oldest);
    this.#known.set(device, region);
  }
}

const maxKnown = 200_000;
const stopMs = 3_000;
