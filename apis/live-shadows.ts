/**
 * The whole of a shadow after a change, for live views of a log that tells only what was changed. What is known is carried
 * on from record to record; where it is not, the twin is asked once, and its answer is told instead of what it overtook.
 */
import type { CommittedTurn } from "../actors/host/port.ts";
import type { Send } from "../core/device/inputs.ts";
import type { TwinRecord } from "../core/device/records.ts";
import { documentOf, evolveShadow, type Shadow } from "../core/device/shadow.ts";

type Shadows = Readonly<Record<string, Shadow>>;
type ShadowRecord = Extract<TwinRecord, { kind: "shadowUpdated" | "shadowDeleted" }>;
type Known =
  | { readonly kind: "known"; readonly shadow: Shadow | undefined }
  /** `since`: what came while it is asked for. */
  | { readonly kind: "asked"; readonly since: ShadowRecord[] };

const mostSince = 100;

export class LiveShadows {
  readonly #read: (device: string) => Promise<Shadows>;
  readonly #most: number;
  /** By device and shadow, the one that changed last at the end. */
  readonly #known = new Map<string, Known>();

  /** @param read the shadows of a device as they are now */
  constructor(read: (device: string) => Promise<Shadows>, most = 1_000) {
    this.#read = read;
    this.#most = most;
  }

  /** The turn in parts, each with what its records need to be told; what is not known yet goes to `later`. */
  completed(turn: CommittedTurn, later: (turn: CommittedTurn) => void): readonly CommittedTurn[] {
    if (!turn.records.some((record) => record.kind === "shadowUpdated")) return [turn];
    if (turn.sends.some(({ kind }) => kind === "shadowDocuments")) return [turn]; // told by who decided it
    return turn.records.flatMap((record) => {
      const part = { ...turn, records: [record] };
      if (record.kind !== "shadowUpdated" && record.kind !== "shadowDeleted") return [part];
      return this.#take(part, record, later);
    });
  }

  #take(part: CommittedTurn, record: ShadowRecord, later: (turn: CommittedTurn) => void): CommittedTurn[] {
    const key = `${part.device} ${record.shadow}`;
    const known = this.#known.get(key);
    if (known?.kind === "asked") {
      known.since.push(record);
      if (known.since.length > mostSince) known.since.shift();
      return [];
    }
    const before = known?.shadow;
    if (before !== undefined && isOld(before, record)) return [];
    if (!follows(before, record)) {
      void this.#ask(part, record, key, later);
      return [];
    }
    const shadow = evolveShadow(before, record);
    this.#keep(key, { kind: "known", shadow });
    return [withDocument(part, record, shadow)];
  }

  async #ask(part: CommittedTurn, record: ShadowRecord, key: string, later: (turn: CommittedTurn) => void) {
    const asked: Known = { kind: "asked", since: [] };
    this.#keep(key, asked);
    const shadow = await this.#read(part.device).then(
      (shadows) => shadows[record.shadow],
      () => undefined,
    );
    if (this.#known.get(key) !== asked) return;
    this.#known.delete(key);
    if (shadow?.kind === "live") {
      this.#keep(key, { kind: "known", shadow });
      later(withDocument(part, { ...record, version: shadow.version }, shadow));
    }
    for (const next of asked.since)
      for (const told of this.#take({ ...part, records: [next] }, next, later)) later(told);
  }

  #keep(key: string, known: Known): void {
    this.#known.delete(key);
    this.#known.set(key, known);
    if (this.#known.size <= this.#most) return;
    const oldest = this.#known.keys().next();
    if (!oldest.done) this.#known.delete(oldest.value);
  }
}

/** A copy, or something that an answer has overtaken. A deletion bears the version of what it deletes. */
function isOld(before: Shadow, record: ShadowRecord): boolean {
  if (before.kind === "deleted") return record.kind === "shadowDeleted" || record.atMs < before.deletedAtMs;
  return record.kind === "shadowDeleted" ? record.version < before.version : record.version <= before.version;
}

function follows(before: Shadow | undefined, record: ShadowRecord): boolean {
  if (record.kind === "shadowDeleted" || record.version === 1) return true;
  return before !== undefined && record.version === before.version + 1;
}

function withDocument(part: CommittedTurn, record: ShadowRecord, shadow: Shadow): CommittedTurn {
  if (shadow.kind === "deleted") return { ...part, records: [record] };
  const body = { current: documentOf(shadow, record.atMs) };
  const send: Send = { kind: "shadowDocuments", shadow: record.shadow, body };
  return { ...part, records: [record], sends: [send] };
}
