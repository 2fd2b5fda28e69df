import { useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import type { DeadLetter } from "../contract.ts";
import { brokenRules, canBeSent, reasonWords } from "../letters/outcome.ts";
import { correctionOf, prettyPayload } from "../letters/payload.ts";
import { asProblem, type Problem } from "../problem.ts";
import { Dialog } from "./dialog.tsx";
import { ProblemBox } from "./problem-box.tsx";
import { ResendState } from "./resend-state.tsx";
import { Time } from "./time.tsx";

/** A dead letter whole, with an editor to correct it and send it again: once. */
export function LetterDialog(props: {
  letter: DeadLetter;
  onClose: () => void;
  /** Rejects with what the server said. */
  onSend: (request: { payload: string | null; override: boolean }) => Promise<void>;
}) {
  const { letter, onClose, onSend } = props;
  const [text, setText] = useState(() => prettyPayload(letter.payload));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const binary = letter.encoding === "base64";
  const correction = binary ? ({ kind: "unchanged" } as const) : correctionOf(letter.payload, text);
  const open = canBeSent(letter);
  const [override, setOverride] = useState(false);
  const quarantined = letter.reason === "quarantined";

  const send = async (event: Event) => {
    event.preventDefault();
    if (correction.kind === "broken") return area.current?.focus();
    setBusy(true);
    setProblem(null);
    try {
      await onSend({ payload: correction.kind === "corrected" ? correction.payload : null, override });
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={reasonWords(letter.reason)} onClose={onClose}>
      <p>{letter.detail}</p>
      <BrokenRules letter={letter} />
      <dl class="facts letter-facts">
        <div>
          <dt>Device</dt>
          <dd>
            <Link class="id" href={`/devices/${encodeURIComponent(letter.device)}`}>
              {letter.device}
            </Link>
          </dd>
        </div>
        <div>
          <dt>Received</dt>
          <dd>
            <Time at={letter.at} />
          </dd>
        </div>
        <div>
          <dt>Topic</dt>
          <dd>
            <code>{letter.topic}</code>
          </dd>
        </div>
      </dl>
      <form onSubmit={send}>
        <label class="field">
          <span>Payload {binary && <small>bytes, shown as base64; they can be sent as they came</small>}</span>
          <textarea
            ref={area}
            class="mono code"
            rows={12}
            spellcheck={false}
            readOnly={binary || !open}
            value={text}
            aria-invalid={correction.kind === "broken"}
            aria-describedby="correction-state"
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        {open && (
          <p id="correction-state" class={correction.kind === "broken" ? "says bad" : "says quiet"} role="status">
            {correction.kind === "broken"
              ? correction.message
              : correction.kind === "corrected"
                ? "Corrected: this is sent in place of what came."
                : "As it came."}
          </p>
        )}
        {open && quarantined && (
          <label class="check">
            <input type="checkbox" checked={override} onChange={(event) => setOverride(event.currentTarget.checked)} />
            Accept it, flagged, even if it breaks the rules: it is true
          </label>
        )}
        {!letter.sendable && <p class="says quiet">What comes on this topic cannot be sent again.</p>}
        {problem && <ProblemBox problem={problem} />}
        <ResendState letter={letter} />
        <div class="actions">
          {open && (
            <button type="submit" class="primary" disabled={busy || correction.kind === "broken"}>
              {busy ? "Sending…" : correction.kind === "corrected" ? "Send corrected" : "Send again as it came"}
            </button>
          )}
          <button type="button" onClick={onClose}>
            Close
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** The quality rules that a letter broke, each with what it was about. */
export function BrokenRules(props: { letter: DeadLetter }) {
  const rules = brokenRules(props.letter);
  if (rules.length === 0) return null;
  return (
    <ul class="rules" aria-label="Broken rules">
      {rules.map(({ rule, metrics }) => (
        <li key={rule} class="state failed">
          {rule}
          {metrics.length > 0 && metrics.join() !== rule && `: ${metrics.join(", ")}`}
        </li>
      ))}
    </ul>
  );
}
