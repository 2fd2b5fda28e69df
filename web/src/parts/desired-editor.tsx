import { useRef, useState } from "preact/hooks";
import type { JsonObject } from "../../../core/json.ts";
import { api } from "../api.ts";
import type { ShadowView } from "../contract.ts";
import { readJsonObject } from "../json-text.ts";
import { merged, mergePatch } from "../merge-patch.ts";
import { asProblem, type Problem } from "../problem.ts";
import { ProblemBox } from "./problem-box.tsx";

type Base = { desired: JsonObject; version: number | null };

/**
 * Edits the desired section as JSON. It is saved as the difference to what the editing started from, and only if the
 * shadow is still at that version; otherwise the newest state is fetched and the person decides.
 */
export function DesiredEditor(props: {
  device: string;
  name: string;
  current: ShadowView | null;
  onSaved: () => void;
}) {
  const { device, name, current, onSaved } = props;
  const [base, setBase] = useState<Base>(() => baseOf(current));
  const [text, setText] = useState(() => pretty(base.desired));
  const [conflict, setConflict] = useState<Base | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const read = readJsonObject(text);
  const patch = read.kind === "json" ? mergePatch(base.desired, read.value) : {};
  const changed = Object.keys(patch).length;

  const save = async (event: Event) => {
    event.preventDefault();
    if (read.kind === "broken" || changed === 0) return area.current?.focus();
    setBusy(true);
    setProblem(null);
    try {
      await api.desire(device, name, patch, base.version);
      onSaved();
    } catch (error) {
      const failed = asProblem(error);
      if (failed.status === 409 || failed.status === 412) await offerNewest(failed);
      else setProblem(failed);
    } finally {
      setBusy(false);
    }
  };
  const offerNewest = async (failed: Problem) => {
    try {
      setConflict(baseOf(await api.shadow(device, name)));
    } catch {
      setProblem(failed);
    }
  };
  const takeNewest = (withMine: boolean) => {
    if (!conflict) return;
    setBase(conflict);
    setText(pretty(withMine ? merged(conflict.desired, patch) : conflict.desired));
    setConflict(null);
    area.current?.focus();
  };

  return (
    <form onSubmit={save}>
      <label class="field">
        <span>
          Desired{" "}
          <small>
            {base.version === null ? "a new shadow" : `from version ${base.version}; leave a key out to remove it`}
          </small>
        </span>
        <textarea
          ref={area}
          class="mono code"
          rows={11}
          spellcheck={false}
          value={text}
          aria-invalid={read.kind === "broken"}
          aria-describedby="desired-state"
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <p id="desired-state" class={read.kind === "broken" ? "says bad" : "says quiet"} role="status">
        {read.kind === "broken"
          ? read.message
          : changed === 0
            ? "Nothing changed."
            : `Will send ${JSON.stringify(patch).slice(0, 300)}`}
      </p>
      {conflict && (
        <div class="problem" role="alert">
          <strong>Someone changed the shadow meanwhile</strong>
          <p>
            You started from version {base.version}; it is at version {conflict.version} now. Its desired state:
          </p>
          <pre>{pretty(conflict.desired)}</pre>
          <div class="actions">
            <button type="button" onClick={() => takeNewest(false)}>
              Drop mine, take the newest
            </button>
            <button type="button" onClick={() => takeNewest(true)}>
              Put my changes on top of it
            </button>
          </div>
        </div>
      )}
      {problem && <ProblemBox problem={problem} />}
      <div class="actions">
        <button
          type="submit"
          class="primary"
          disabled={busy || conflict !== null || read.kind === "broken" || changed === 0}
        >
          Save desired
        </button>
      </div>
    </form>
  );
}

function baseOf(shadow: ShadowView | null): Base {
  return { desired: shadow?.state.desired ?? {}, version: shadow?.version ?? null };
}

function pretty(value: JsonObject): string {
  return JSON.stringify(value, null, 2);
}
