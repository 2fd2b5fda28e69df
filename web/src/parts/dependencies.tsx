import type { Cluster } from "../contract.ts";

/** The placement of actors, and what the API process itself hangs on. */
export function Dependencies(props: { cluster: Cluster }) {
  const { mode, placement, dependencies } = props.cluster;
  return (
    <section class="panel" aria-label="Dependencies">
      <header>
        <h2>Dependencies</h2>
        <span class="quiet">as this API process sees them</span>
      </header>
      <ul class="dependencies">
        {mode === "distributed" && (
          <Dependency
            name="placement"
            ok={placement?.connected ?? false}
            state={placement === null ? "no sidecar tells" : placement.connected ? "connected" : "away"}
            detail={placement === null ? "" : `version ${placement.version}`}
          />
        )}
        {Object.entries(dependencies).map(([name, { ok, detail }]) => (
          <Dependency key={name} name={name} ok={ok} state={ok ? "ok" : "failing"} detail={detail ?? ""} />
        ))}
      </ul>
    </section>
  );
}

function Dependency(props: { name: string; ok: boolean; state: string; detail: string }) {
  return (
    <li class={props.ok ? "" : "failing"}>
      <b>{props.name}</b>
      <span class={props.ok ? "badge online" : "badge bad"}>
        <i aria-hidden="true" />
        {props.state}
      </span>
      {props.detail && <span class="quiet">{props.detail}</span>}
    </li>
  );
}
