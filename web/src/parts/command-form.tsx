import { useId, useState } from "preact/hooks";
import { api } from "../api.ts";
import { readJson } from "../json-text.ts";
import { asProblem, type Problem } from "../problem.ts";
import { ProblemBox } from "./problem-box.tsx";

const expiries = [
  { name: "never expires", seconds: 0 },
  { name: "for 1 minute", seconds: 60 },
  { name: "for 10 minutes", seconds: 600 },
  { name: "for 1 hour", seconds: 3600 },
  { name: "for 1 day", seconds: 86_400 },
  { name: "for 7 days", seconds: 604_800 },
];

export function CommandForm(props: { device: string; onSent: () => void }) {
  const [name, setName] = useState("");
  const [text, setText] = useState("");
  const [seconds, setSeconds] = useState(3600);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const known = useId();
  const parameters = text.trim() === "" ? null : readJson(text);
  const broken = parameters?.kind === "broken";

  const send = async (event: Event) => {
    event.preventDefault();
    if (broken) return;
    setBusy(true);
    try {
      await api.sendCommand(props.device, {
        name: name.trim(),
        ...(parameters?.kind === "json" ? { parameters: parameters.value } : {}),
        ...(seconds > 0 ? { expiresInSeconds: seconds } : {}),
      });
      setProblem(null);
      setName("");
      setText("");
      props.onSent();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <form class="command-form" onSubmit={send}>
      <input
        aria-label="Command"
        placeholder="Command, e.g. reboot"
        list={known}
        required
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <datalist id={known}>
        <option value="reboot" />
        <option value="config" />
      </datalist>
      <select
        aria-label="How long it waits for the device"
        value={String(seconds)}
        onChange={(event) => setSeconds(Number(event.currentTarget.value))}
      >
        {expiries.map((expiry) => (
          <option key={expiry.seconds} value={String(expiry.seconds)}>
            {expiry.name}
          </option>
        ))}
      </select>
      <button type="submit" class="primary" disabled={busy || broken}>
        Send
      </button>
      <textarea
        class="mono"
        aria-label="Parameters, JSON"
        aria-invalid={broken}
        placeholder='Parameters as JSON, e.g. {"delay": 5}'
        rows={text.includes("\n") ? 4 : 1}
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {parameters?.kind === "broken" && (
        <p class="says bad" role="status">
          {parameters.message}
        </p>
      )}
      {problem && <ProblemBox problem={problem} />}
    </form>
  );
}
