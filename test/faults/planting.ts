/** Healthy facts with one thing changed, as a fault would leave them. */
import type { CommandMoved, TwinRecord } from "../../core/device/records.ts";
import type { ApiTwin, Facts, Logged } from "./facts.ts";

/** Without the first such record; offsets are closed up, so that only its content is missing. */
export function without(facts: Facts, which: (record: TwinRecord) => boolean): Facts {
  const index = facts.log.findIndex(({ record }) => which(record));
  const log = facts.log.toSpliced(index, 1).map((logged, offset) => ({ ...logged, offset }));
  return { ...facts, log, logEnd: log.length };
}

/** The first such record once more, at the log's end. */
export function again(facts: Facts, which: (record: TwinRecord) => boolean): Logged {
  return { ...facts.log.find(({ record }) => which(record))!, offset: facts.logEnd };
}

export function altered<Kind extends TwinRecord>(
  facts: Facts,
  which: (record: TwinRecord) => record is Kind,
  change: (record: Kind) => Kind,
): Facts {
  const index = facts.log.findIndex(({ record }) => which(record));
  const logged = facts.log[index]!;
  return { ...facts, log: facts.log.with(index, { ...logged, record: change(logged.record as Kind) }) };
}

export function withMove(facts: Facts, move: Pick<CommandMoved, "command" | "to">): Facts {
  const { atMs } = facts.log.at(-1)!.record;
  const record: TwinRecord = { kind: "commandMoved", atMs, ...move };
  return { ...facts, log: [...facts.log, { offset: facts.logEnd, device: "there", record }], logEnd: facts.logEnd + 1 };
}

export function withTwin(facts: Facts, device: string, change: (twin: ApiTwin) => ApiTwin): Facts {
  const twins = new Map([...facts.api.twins, [device, change(facts.api.twins.get(device)!)]]);
  return { ...facts, api: { ...facts.api, twins } };
}

type ShownShadow = ApiTwin["shadows"][string];

export function withShadow(facts: Facts, change: (shadow: ShownShadow) => ShownShadow): Facts {
  return withTwin(facts, "there", (twin) => ({ ...twin, shadows: { "": change(twin.shadows[""]!) } }));
}

type Stored = Facts["checkpoints"] extends ReadonlyMap<string, infer Checkpoint> ? Checkpoint : never;

export function withCheckpoint(facts: Facts, change: (checkpoint: Stored) => Partial<Stored>): Facts {
  const checkpoint = facts.checkpoints.get("there")!;
  const changed = { ...checkpoint, ...change(checkpoint) };
  return { ...facts, replayFrom: 0, checkpoints: new Map([...facts.checkpoints, ["there", changed]]) };
}
