/** How the sinks are, as probes for `/readyz` and `/health/services`. */
import type { HealthProbe } from "../ports/http-health/routes.ts";
import type { BreakerState } from "./breaker.ts";
import type { PartitionSink } from "./partition-sink.ts";
import type { SinkTarget } from "./target.ts";
import type { Sinks } from "./thread.ts";

/** Of those of the embedded mode. Not ok while a commit fails or the circuit to the storage is not closed. */
export function sinkProbes(sinks: Pick<Sinks, "stats">): HealthProbe[] {
  return Object.keys(sinks.stats()).map((name) => ({
    name: `sink ${name}`,
    check: async () => {
      const { error, lag, breaker } = sinks.stats()[name]!;
      const words = error ?? `${lag} records behind`;
      return { ok: error === null && isClosed(breaker), detail: `${words}${circuitWords(breaker)}` };
    },
  }));
}

/** Of one that takes partitions. The message of a failure may name hosts and tables: the log has it. */
export function partitionSinkProbe(target: Pick<SinkTarget, "breaker">, sink: PartitionSink): HealthProbe {
  return {
    name: `sink ${sink.name}`,
    async check() {
      const places = [...sink.troubles().keys()];
      const breaker = target.breaker?.() ?? null;
      // Half-open and nothing waits: whoever comes next tries, and until then nothing is amiss.
      if (places.length === 0 && breaker !== "open") return { ok: true };
      const which =
        places.length === 0
          ? "no partition waits"
          : `${places.length} ${places.length === 1 ? "partition waits" : "partitions wait"}, ${places[0]} among them`;
      return { ok: false, detail: `${which}${circuitWords(breaker)}; the log says why` };
    },
  };
}

/** Those that are not closed, as a process tells of itself in the cluster's view: `circuitFleet: "open"`. */
export function circuitsOf(breakers: Readonly<Record<string, BreakerState | null>>): Record<string, BreakerState> {
  const told = Object.entries(breakers).flatMap(([sink, state]) =>
    state === null || isClosed(state) ? [] : [[`circuit${sink[0]!.toUpperCase()}${sink.slice(1)}`, state] as const],
  );
  return Object.fromEntries(told);
}

function circuitWords(breaker: BreakerState | null): string {
  return isClosed(breaker) ? "" : `, the circuit to its storage is ${breaker}`;
}

function isClosed(breaker: BreakerState | null): boolean {
  return breaker === null || breaker === "closed";
}
