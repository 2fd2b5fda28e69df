import type { PresenceView } from "../contract.ts";

/** Online or offline as dot and word: colour is never the only sign. */
export function PresenceBadge(props: { presence: Pick<PresenceView, "status" | "flapping"> }) {
  const { status, flapping } = props.presence;
  return (
    <span class="badges">
      <span class={`badge ${status}`}>
        <i aria-hidden="true" />
        {status === "online" ? "Online" : "Offline"}
      </span>
      {flapping && (
        <span class="badge flapping" title="Its connection has come and gone many times of late">
          <i aria-hidden="true" />
          Flapping
        </span>
      )}
    </span>
  );
}
