/**
 * Which records need the twin's state stored with them, and the id under which each is published: the same however often
 * it is published, so that readers of the log can drop the copies that crashes make.
 */
import type { TwinRecord } from "./records.ts";
import type { MessageIdentity } from "./telemetry.ts";

/**
 * Whether the record changes nothing but what is kept softly: last seen, dedup window, latest values, statistics. Those
 * come with each message, and what a crash takes of them is made good by the next ones.
 */
export function isSoft(record: TwinRecord): boolean {
  return record.kind === "telemetry" || record.kind === "seen" || record.kind === "deadLettered";
}

/**
 * The id of a record, unique per device. A stored one is named by the revision that it is committed with; telemetry by the
 * message's own identity, since another host may decide on it again; the rest by its turn.
 */
export function publishedId(
  record: TwinRecord,
  at: {
    readonly turn: string;
    /** Of the record within its turn. */
    readonly index: number;
    /** The state's revision after the commit. */
    readonly revision: number;
    /** Of the record within the commit. */
    readonly place: number;
    /** Of a telemetry message, where its gateway has told. */
    readonly receivedAtMs?: number | undefined;
  },
): string {
  if (record.kind === "telemetry") return telemetryId(record.identity, record.tsMs, at.receivedAtMs ?? record.atMs);
  return isSoft(record) ? `t${at.turn}.${at.index}` : `d${at.revision}.${at.place}`;
}

/**
 * A counter without a boot begins anew unseen, and a device may use its ids again: there the reading's time belongs to the
 * identity, where the device has given one. Where it has not, its counter alone proves nothing: a copy is better than a loss.
 */
function telemetryId(identity: MessageIdentity, tsMs: number, receivedAtMs: number): string {
  switch (identity.kind) {
    case "sequence":
      return identity.boot === "" ? `s${identity.seq}@${tsMs}` : `s${identity.seq}:${identity.boot}`;
    case "id":
      return tsMs === receivedAtMs ? `i${identity.id}` : `i${identity.id}@${tsMs}`;
    case "hash":
      return `h${identity.hash}`;
  }
}
