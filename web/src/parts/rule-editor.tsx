import { useState } from "preact/hooks";
import type { QualityRule } from "../../../core/quality/rules.ts";
import { asProblem, type Problem } from "../problem.ts";
import type { RuleChange } from "../quality/rule-changes.ts";
import { draftOf, emptyDraft, kinds, type RuleDraft, ruleOf } from "../quality/rule-form.ts";
import { Dialog } from "./dialog.tsx";
import { ProblemBox } from "./problem-box.tsx";
import { RuleChanges } from "./rule-changes.tsx";

const actions = [
  { action: "flag", name: "Accept and flag" },
  { action: "quarantine", name: "Put in quarantine" },
  { action: "off", name: "Off" },
] as const;

const labels: Partial<Record<keyof RuleDraft, string>> = {
  min: "At least",
  max: "At most",
  maxPerSecond: "Most change a second",
  seconds: "Seconds",
};

/** One rule of a device type, in fields; `name: null` makes a new one. The server says what is wrong with it. */
export function RuleEditor(props: {
  type: string;
  rule: { name: string; rule: QualityRule } | null;
  onClose: () => void;
  /** Null: saved. Otherwise nothing was, since someone has made these changes. Rejects with what the server said. */
  onSave: (name: string, rule: Record<string, unknown>) => Promise<RuleChange[] | null>;
}) {
  const { type, rule, onClose, onSave } = props;
  const [draft, setDraft] = useState<RuleDraft>(() => (rule ? draftOf(rule.name, rule.rule) : emptyDraft));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [meanwhile, setMeanwhile] = useState<RuleChange[] | null>(null);
  const [busy, setBusy] = useState(false);
  const fields = kinds.find(({ kind }) => kind === draft.kind)?.fields ?? [];
  const set = (change: Partial<RuleDraft>) => setDraft({ ...draft, ...change });

  const save = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const changes = await onSave(draft.name.trim(), ruleOf(draft));
      setMeanwhile(changes);
      if (changes === null) onClose();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={rule ? `Rule ${rule.name} of ${type}` : `New rule of ${type}`} onClose={onClose}>
      <form onSubmit={save} class="grid-form">
        {!rule && (
          <label class="field whole">
            <span>
              Name <small>a-z 0-9 _ . -</small>
            </span>
            <input
              required
              class="mono"
              value={draft.name}
              placeholder="pressure-range"
              onInput={(event) => set({ name: event.currentTarget.value })}
            />
          </label>
        )}
        <label class="field">
          <span>What it demands</span>
          <select
            value={draft.kind}
            onChange={(event) => set({ kind: event.currentTarget.value as RuleDraft["kind"] })}
          >
            {kinds.map(({ kind, name }) => (
              <option key={kind} value={kind}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>Where it is broken</span>
          <select
            value={draft.action}
            onChange={(event) => set({ action: event.currentTarget.value as RuleDraft["action"] })}
          >
            {actions.map(({ action, name }) => (
              <option key={action} value={action}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {fields.includes("metrics") && (
          <label class="field whole">
            <span>
              Metrics <small>with commas between them</small>
            </span>
            <input
              class="mono"
              value={draft.metrics}
              placeholder="pressure"
              onInput={(event) => set({ metrics: event.currentTarget.value })}
            />
          </label>
        )}
        {fields.includes("type") && (
          <label class="field">
            <span>Type</span>
            <select value={draft.type} onChange={(event) => set({ type: event.currentTarget.value })}>
              {["number", "boolean", "string"].map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        {(["min", "max", "maxPerSecond", "seconds"] as const)
          .filter((field) => fields.includes(field))
          .map((field) => (
            <label key={field} class="field">
              <span>{labels[field]}</span>
              <input
                inputMode="decimal"
                value={draft[field]}
                onInput={(event) => set({ [field]: event.currentTarget.value })}
              />
            </label>
          ))}
        {problem && <ProblemBox problem={problem} />}
        {meanwhile && (
          <RuleChanges
            changes={meanwhile}
            hint={
              meanwhile.some(({ name }) => name === draft.name.trim())
                ? "Your rule would take the place of theirs. Nothing of yours is saved yet."
                : "Their changes stay if you save. Nothing of yours is saved yet."
            }
          />
        )}
        <div class="actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {meanwhile ? "Save mine all the same" : "Save rule"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
