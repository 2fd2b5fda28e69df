import type { ShadowUpdated } from "../../core/device/records.ts";
import type { Twin } from "../../core/device/twin.ts";
import { byDevice, type Facts, type Logged, type ShadowState, type Stored, type Violation } from "./facts.ts";
import type { Journal, SentShadowUpdate } from "./journal.ts";
import { ShadowModel } from "./shadow-model.ts";

/** Every accepted update is in the log, with the version that its answer told; versions go up by exactly one. */
export function checkShadowLog(journal: Journal, { log }: Pick<Stored, "log">): Violation[] {
  const violations: Violation[] = [];
  const versions = new Map<string, number>();
  const found = new Map<number, number[]>();
  for (const { offset, device, record } of log) {
    if (record.kind !== "shadowUpdated") continue;
    const key = `${device} ${record.shadow}`;
    const before = versions.get(key) ?? 0;
    versions.set(key, record.version);
    if (record.version !== before + 1) {
      const evidence = `shadow "${record.shadow}" goes from version ${before} to ${record.version} at offset ${offset}`;
      violations.push({ kind: "shadow-version", device, evidence });
    }
    const sent = sentAs(journal, device, record);
    if (sent === undefined) {
      const evidence = `nobody sent the update at offset ${offset}: ${JSON.stringify(record)}`;
      violations.push({ kind: "shadow-update-invented", device, evidence });
    } else found.set(sent.mark, [...(found.get(sent.mark) ?? []), record.version]);
  }
  for (const sent of journal.updates.values()) violations.push(...checkAnswer(sent, found.get(sent.mark) ?? []));
  return violations;
}

/** The shadows of twins and of the API are the log's updates, merged and compared by the checker's own rules. */
export function checkShadowStates(
  { log, api }: Pick<Facts, "log" | "api">,
  twins: ReadonlyMap<string, Twin>,
): Violation[] {
  return [...byDevice(log)].flatMap(([device, records]) => {
    const twin = twins.get(device);
    const answer = api.twins.get(device);
    const shown = answer === undefined ? null : modelsOf(records.slice(0, answer.revision));
    return [...modelsOf(records)].flatMap(([shadow, { model, version }]) => {
      const violations: Violation[] = [];
      const stored = twin?.shadows[shadow];
      const state: ShadowState = stored?.kind === "live" ? stored : {};
      violations.push(...compare(device, shadow, "the twin's", model, version, state, stored?.version));
      const then = shown?.get(shadow);
      const document = answer?.shadows[shadow];
      if (then === undefined || document === undefined) return violations;
      violations.push(
        ...compare(device, shadow, "the API's", then.model, then.version, document.state, document.version),
      );
      if (then.model.matchesDelta(document.state.delta)) return violations;
      const evidence = `the API's delta of shadow "${shadow}" is ${JSON.stringify(document.state.delta)}, by the log it is the difference in ${then.model}`;
      return [...violations, { kind: "shadow-delta", device, evidence }];
    });
  });
}

type Modelled = { readonly model: ShadowModel; version: number };

function modelsOf(records: readonly Logged[]): Map<string, Modelled> {
  const models = new Map<string, Modelled>();
  for (const { record } of records) {
    if (record.kind !== "shadowUpdated") continue;
    const modelled = models.get(record.shadow) ?? { model: new ShadowModel(), version: 0 };
    models.set(record.shadow, modelled);
    modelled.version = record.version;
    if (record.desired) modelled.model.update("desired", record.desired);
    if (record.reported) modelled.model.update("reported", record.reported);
  }
  return models;
}

function compare(
  device: string,
  shadow: string,
  whose: string,
  model: ShadowModel,
  version: number,
  state: ShadowState,
  told: number | undefined,
): Violation[] {
  const violations: Violation[] = [];
  if (told !== version) {
    const evidence = `${whose} shadow "${shadow}" has version ${told}, by the log it is ${version}`;
    violations.push({ kind: "shadow-version", device, evidence });
  }
  if (model.matches("desired", state.desired) && model.matches("reported", state.reported)) return violations;
  const evidence = `${whose} shadow "${shadow}" is ${JSON.stringify(state)}, by the log it is ${model}`;
  return [...violations, { kind: "shadow-state", device, evidence }];
}

function sentAs(journal: Journal, device: string, record: ShadowUpdated): SentShadowUpdate | undefined {
  const mark = record.by === "app" ? record.desired?.wish : record.reported?.mark;
  const sent = typeof mark === "number" ? journal.updates.get(mark) : undefined;
  const { desired, reported } = record;
  const same = JSON.stringify({ desired, reported }) === JSON.stringify(orderedPatch(sent));
  return same && sent?.device === device && sent.shadow === record.shadow && sent.by === record.by ? sent : undefined;
}

function orderedPatch(sent: SentShadowUpdate | undefined): object {
  return { desired: sent?.patch.desired, reported: sent?.patch.reported };
}

function checkAnswer(sent: SentShadowUpdate, versions: readonly number[]): Violation[] {
  const { device, shadow, mark, by, sends, acknowledged, refused, version } = sent;
  const text = `update ${mark} of shadow "${shadow}"`;
  if (acknowledged && !refused && versions.length === 0)
    return [{ kind: "shadow-update-lost", device, evidence: `${text} was acknowledged and is not in the log` }];
  if (versions.length > sends)
    return [
      {
        kind: "shadow-update-twice",
        device,
        evidence: `${text} is ${versions.length} times in the log (versions ${versions.join(", ")}), sent ${sends} times`,
      },
    ];
  if (refused && by === "app" && versions.length > 0)
    return [
      { kind: "shadow-answer", device, evidence: `${text} was refused and is in the log as version ${versions}` },
    ];
  if (version !== null && !versions.includes(version))
    return [
      {
        kind: "shadow-answer",
        device,
        evidence: `${text} was answered with version ${version}, in the log it is ${versions}`,
      },
    ];
  return [];
}
