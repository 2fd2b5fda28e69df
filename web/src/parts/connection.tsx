import { connection } from "../live.ts";

const words = { connecting: "Connecting", open: "Live", waiting: "Reconnecting" };

/** Whether what is shown is live; said aloud by screen readers when it changes. */
export function Connection() {
  return (
    <span class={`connection ${connection.value}`} role="status" aria-live="polite">
      <i aria-hidden="true" />
      <span>{words[connection.value]}</span>
    </span>
  );
}
