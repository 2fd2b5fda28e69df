import { useState } from "preact/hooks";
import { defaultQualityRules, type QualityRule } from "../../../core/quality/rules.ts";
import { api } from "../api.ts";
import type { TypeQuality } from "../contract.ts";
import { asProblem, type Problem } from "../problem.ts";
import { ruleWords } from "../quality/rule-words.ts";
import { useResource } from "../use-resource.ts";
import { Choice } from "./letter-filters.tsx";
import { ProblemBox } from "./problem-box.tsx";
import { RuleEditor } from "./rule-editor.tsx";

const actionWords = { flag: "flag", quarantine: "quarantine", off: "off" };

/** The rules that hold for a device type: the defaults and its own, which can be changed. */
export function TypeRules(props: { type: string; types: string[]; onType: (type: string) => void }) {
  const { type, types, onType } = props;
  const quality = useResource(`rules/${type}`, (signal) => api.typeQuality(type, signal));
  const [editing, setEditing] = useState<{ name: string; rule: QualityRule } | "new" | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const own = quality.data?.rules ?? {};
  const put = async (rules: Record<string, unknown>) => {
    const saved: TypeQuality = await api.setTypeQuality(type, rules);
    quality.patch(() => saved);
  };
  const without = (name: string) => {
    setProblem(null);
    put(Object.fromEntries(Object.entries(own).filter(([one]) => one !== name))).catch((error: unknown) =>
      setProblem(asProblem(error)),
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
        <span class="quiet">A change holds at once, for new messages.</span>
        <button type="button" class="at-end" onClick={() => setEditing("new")}>
          Add rule
        </button>
      </header>
      {(quality.problem ?? problem) && <ProblemBox problem={(quality.problem ?? problem)!} onRetry={quality.reload} />}
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
            {Object.entries(quality.data?.effective ?? {}).map(([name, rule]) => (
              <tr key={name} class={rule.action === "off" ? "off" : ""}>
                <th scope="row">
                  <code>{name}</code>
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
                  <button type="button" class="link" onClick={() => setEditing({ name, rule })}>
                    Edit<span class="visually-hidden"> {name}</span>
                  </button>
                  {name in own && (
                    <button type="button" class="link" onClick={() => without(name)}>
                      {name in defaultQualityRules ? "As default" : "Remove"}
                      <span class="visually-hidden"> {name}</span>
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {editing !== null && (
        <RuleEditor
          type={type}
          rule={editing === "new" ? null : editing}
          onClose={() => setEditing(null)}
          onSave={(name, rule) => put({ ...own, [name]: rule })}
        />
      )}
    </section>
  );
}
