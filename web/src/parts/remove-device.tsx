import { useState } from "preact/hooks";
import { asProblem, type Problem } from "../problem.ts";
import { ProblemBox } from "./problem-box.tsx";

/** Asks before a device's registration and twin are deleted. */
export function RemoveDevice(props: {
  id: string;
  remove: () => Promise<unknown>;
  onRemoved: () => void;
  onCancel: () => void;
}) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const remove = () => {
    setBusy(true);
    props.remove().then(props.onRemoved, (error: unknown) => {
      setBusy(false);
      setProblem(asProblem(error));
    });
  };
  return (
    <>
      <p>
        Its registration, shadows and commands go. If the device connects again and unknown devices are welcome, it
        appears anew, empty.
      </p>
      {problem && <ProblemBox problem={problem} />}
      <div class="actions">
        <button type="button" onClick={props.onCancel}>
          Keep it
        </button>
        <button type="button" class="primary danger" disabled={busy} onClick={remove}>
          Delete {props.id}
        </button>
      </div>
    </>
  );
}
