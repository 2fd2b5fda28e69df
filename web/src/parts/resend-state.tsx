import type { DeadLetter } from "../contract.ts";
import { resendWords } from "../letters/outcome.ts";
import { Ago } from "./time.tsx";

/** That a letter was sent again, when, by whom, and what came of it. Nothing for one that never was. */
export function ResendState(props: { letter: DeadLetter }) {
  const { resend } = props.letter;
  const told = resendWords(resend);
  if (!resend || !told) return null;
  return (
    <p class={`resend ${told.tone}`} role="status">
      <b>{resend.corrected ? "Sent again, corrected" : "Sent again"}</b>{" "}
      <span class="quiet">
        <Ago at={resend.at} />
        {resend.by !== "" && resend.by !== "anyone" && ` by ${resend.by}`}
      </span>
      : <span class="outcome-words">{told.text}</span>
    </p>
  );
}
