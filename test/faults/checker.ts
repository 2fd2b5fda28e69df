/**
 * The judgement over a run: what was sent and acknowledged, against what the system kept and shows. Pure; every
 * violation comes with its evidence. `checker.test.ts` shows that each kind is found when it is planted.
 */
import { checkCommandLog, checkCommandStates } from "./check-commands.ts";
import { checkPresence, checkPresenceLog } from "./check-presence.ts";
import { checkShadowLog, checkShadowStates } from "./check-shadows.ts";
import { checkRows, checkTelemetryLog } from "./check-telemetry.ts";
import { checkTwins, checkTwinValues, recoveredTwins } from "./check-twins.ts";
import type { Facts, Stored, Violation } from "./facts.ts";
import { type Journal, malformedKey } from "./journal.ts";

/** What must hold on disk at any moment, also right after a kill. */
export function checkStored(
  journal: Journal,
  stored: Stored,
  there: Pick<Facts, "steady" | "steadyUntilMs">,
): Violation[] {
  return [
    ...checkTelemetryLog(journal, stored),
    ...checkShadowLog(journal, stored),
    ...checkCommandLog(journal, stored),
    ...checkPresenceLog(stored, there),
    ...checkTwins(stored),
  ];
}

/** All that must hold when the system has settled, stopped in order, and its sinks are through. */
export function check(facts: Facts): Violation[] {
  const twins = recoveredTwins(facts);
  return [
    ...checkStored(facts.journal, facts, facts),
    ...checkRows(facts),
    ...checkShadowStates(facts, twins),
    ...checkCommandStates(facts),
    ...checkPresence(facts),
    ...checkTwinValues(facts, twins),
    ...checkSinks(facts),
    ...facts.journal.surprises.map((evidence): Violation => ({ kind: "surprise", device: "", evidence })),
  ];
}

export function checkSinks({
  log,
  progress,
  sinksDueMs,
  journal,
  fleetDeadLetters,
}: Pick<Facts, "log" | "progress" | "sinksDueMs" | "journal" | "fleetDeadLetters">): Violation[] {
  const violations: Violation[] = [];
  const due = log.reduce((end, { offset, record }) => (record.atMs < sinksDueMs ? offset + 1 : end), 0);
  for (const [sink, offset] of Object.entries(progress)) {
    if (offset >= due) continue;
    violations.push({
      kind: "sink-behind",
      device: "",
      evidence: `the sink ${sink} stands at ${offset}, due is ${due}`,
    });
  }
  const listed = new Set(
    fleetDeadLetters.map(({ device, record }) =>
      malformedKey(device, record.kind === "deadLettered" ? record.payload : ""),
    ),
  );
  for (const [key, { device, acknowledged, text }] of journal.malformed) {
    if (!acknowledged || listed.has(key)) continue;
    violations.push({
      kind: "dead-letter-lost",
      device,
      evidence: `acknowledged and in no list of dead letters: ${text}`,
    });
  }
  return violations;
}
