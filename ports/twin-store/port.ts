import type { Twin } from "../../core/device/twin.ts";

/** A twin as of an offset of the log: the fold of every record of its device below `nextOffset`. */
export type Checkpoint = {
  readonly twin: Twin;
  readonly nextOffset: number;
  /** When the twin has to be woken at the latest, epoch ms; null if never. */
  readonly deadlineMs: number | null;
};

/**
 * Checkpoints of twins, written behind the log.
 *
 * T1 `save` is atomic: all its checkpoints and `replayFrom`, or nothing.
 * T2 A twin saved and loaded is equal, whatever strings it holds.
 * T3 A checkpoint older than the stored one (smaller `nextOffset`) changes nothing.
 */
export interface TwinStore {
  load(ids: readonly string[]): Promise<Map<string, Checkpoint>>;
  /** `replayFrom`: every record below it is in some stored checkpoint; a start replays the log from there. It never falls. */
  save(checkpoints: readonly Checkpoint[], replayFrom: number): Promise<void>;
  /** 0 before the first save. */
  replayFrom(): Promise<number>;
  /** Every stored deadline, in pages, in no order. */
  deadlines(): AsyncIterable<readonly { id: string; deadlineMs: number }[]>;
  /** Ids of all stored twins, in pages, in no order. */
  ids(): AsyncIterable<readonly string[]>;
}

/** The stored twins are in a form that this release cannot read. Nothing has been changed. */
export class ForeignFormat extends Error {
  override readonly name = "ForeignFormat";
  readonly code = "FOREIGN_FORMAT";
  readonly retry = "never";
  constructor(found: number, known: number) {
    super(
      `The database holds twins in format ${found}; this release reads ${known}. Start the release that wrote them.`,
    );
  }
}
