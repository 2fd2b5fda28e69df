import { useState } from "preact/hooks";
import { defaultQualityRules, type QualityRule } from "../../../core/quality/rules.ts";
import { api } from "../api.ts";
import type { TypeQuality } from "../contract.ts";
import { asProblem, type Problem } from "../problem.ts";
import { changesBetween, type RuleChange } from "../quality/rule-changes.ts";
import { ruleWords } from "../quality/rule-words.ts";
import { useResource } from "../use-resource.ts";
import { Choice } from "./letter-filters.tsx";
import { ProblemBox } from "./problem-box.tsx";
import { RuleChanges } from "./rule-changes.tsx";
import { RuleEditor } from "./rule-editor.tsx";

const actionWords = { flag: "flag", quarantine: "quarantine", off: "off" };

type Tagged = TypeQuality & { etag: string };

/** The rules that hold for a device type: the built-in ones and its own, which can be changed. */
export function TypeRules(props: { type: string; types: string[]; onType: (type: string) => void }) {
  const { type, types, onType } = props;
  const quality = useResource(`rules/${type}`, (signal) => api.typeQuality(type, signal));
  const [editing, setEditing] = useState<{ name: string; rule: QualityRule } | "new" | null>(null);
  /** The rules as they were when editing began, or as someone else then left them. */
  const [from, setFrom] = useState<Tagged | null>(null);
  const [meanwhile, setMeanwhile] = useState<RuleChange[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const shown = quality.data?.type === type ? quality.data : null;
  const own = shown?.rules ?? {};
  const take = (newest: Tagged) => quality.patch((before) => (before.type === newest.type ? newest : before));

  /** Gives null, or, where nothing was saved, what someone else has changed since `base`. */
  const put = async (base: Tagged, rules: Record<string, unknown>): Promise<RuleChange[] | null> => {
    try {
      take(await api.setTypeQuality(base.type, rules, base.etag));
      return null;
    } catch (error) {
      if (asProblem(error).status !== 412) throw error;
      const newest = await api.typeQuality(base.type);
      take(newest);
      setFrom(newest);
      return changesBetween(base.effective, newest.effective);
    }
  };
  const edit = (what: { name: string; rule: QualityRule } | "new") => {
    setMeanwhile(null);
    setProblem(null);
    setFrom(shown);
    setEditing(what);
  };
  const without = (name: string) => {
    if (!shown) return;
    setMeanwhile(null);
    setProblem(null);
    put(shown, Object.fromEntries(Object.entries(own).filter(([one]) => one !== name))).then(
      setMeanwhile,
      (error: unknown) => setProblem(asProblem(error)),
    );
  };
  return (
    <section class="panel" aria-label="Rules" aria-busy={quality.loading}>
      <header>
        <h2>Rules</h2>
        <Choice
          name="Device type"
          all="default"
          value={type === "default" ? "" : type}
          options={types.filter((one) => one !== "default").map((one) => [one, one])}
          onChange={(chosen) => onType(chosen === "" ? "default" : chosen)}
        />
        <button type="button" class="at-end" disabled={!shown} onClick={() => edit("new")}>
          Add rule
        </button>
      </header>
      <p class="quiet rules-note">
        {type === "default"
          ? "For devices registered without a type, and for no others: every other type begins with the built-in rules. "
          : `The built-in rules, and what ${type} has in their place or beside them. `}
        A change holds at once, for new messages.
      </p>
      {(quality.problem ?? problem) && <ProblemBox problem={(quality.problem ?? problem)!} onRetry={quality.reload} />}
      {meanwhile && (
        <RuleChanges changes={meanwhile} hint="Nothing of yours is saved. Look at the rules, and try again." />
      )}
      <div class="scroll">
        <table class="type-rules">
          <thead>
            <tr>
              <th scope="col">Rule</th>
              <th scope="col">Demands</th>
              <th scope="col">When broken</th>
              <th scope="col">
                <span class="visually-hidden">Change</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(shown?.effective ?? {}).map(([name, rule]) => (
              <tr key={name} class={rule.action === "off" ? "off" : ""}>
                <th scope="row">
                  <code>{name}</code>{" "}
                  <span class="quiet">
                    {!(name in own) ? "built in" : name in defaultQualityRules ? "changed" : "own"}
                  </span>
                </th>
                <td>{ruleWords(rule)}</td>
                <td>
                  <span
                    class={
                      rule.action === "quarantine" ? "state failed" : rule.action === "off" ? "state expired" : "state"
                    }
                  >
                    {actionWords[rule.action]}
                  </span>
                </td>
                <td class="row-actions">
                  <button type="button" class="link" onClick={() => edit({ name, rule })}>
                    Edit<span class="visually-hidden"> {name}</span>
                  </button>
                  {name in own && (
                    <button type="button" class="link" onClick={() => without(name)}>
                      {name in defaultQualityRules ? "As built in" : "Remove"}
                      <span class="visually-hidden"> {name}</span>
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {editing !== null && from !== null && (
        <RuleEditor
          type={from.type}
          rule={editing === "new" ? null : editing}
          onClose={() => setEditing(null)}
          onSave={(name, rule) => put(from, { ...from.rules, [name]: rule })}
        />
      )}
    </section>
  );
}
