import { byDevice, type Facts, type Logged, type Stored, type Violation } from "./facts.ts";

/** Announcements alternate, and no restart of ours is announced as a device's leaving. */
export function checkPresenceLog(
  { log }: Pick<Stored, "log">,
  { steady, steadyUntilMs }: Pick<Facts, "steady" | "steadyUntilMs">,
): Violation[] {
  return [...byDevice(log)].flatMap(([device, records]) => {
    const violations: Violation[] = [];
    let status = "offline";
    for (const { offset, record } of records) {
      if (record.kind !== "presence" || record.announced === undefined) continue;
      const announced = record.announced.status;
      if (announced === status) {
        const evidence = `announced as ${announced} at offset ${offset}, which it was already`;
        violations.push({ kind: "presence-announcements", device, evidence });
      }
      status = announced;
      if (announced === "offline" && steady.includes(device) && record.atMs < steadyUntilMs) {
        const evidence = `announced as offline at offset ${offset} (${record.edge}), though it came back whenever it could`;
        violations.push({ kind: "restart-announced", device, evidence });
      }
    }
    return violations;
  });
}

/** Apps see the devices that are there as online, and those that went as offline: in lists and in the twin. */
export function checkPresence({ api, expected, log }: Pick<Facts, "api" | "expected" | "log">): Violation[] {
  const known = new Set(log.map((logged: Logged) => logged.device));
  return [...expected].flatMap(([device, status]): Violation[] => {
    if (!known.has(device)) return [];
    const wrong = [
      ["the list of devices", api.statuses.get(device)],
      ["its twin", api.twins.get(device)?.status],
    ].filter(([, told]) => told !== status);
    return wrong.map(([where, told]) => {
      const evidence = `${where} says ${told ?? "nothing"}; the device ${status === "online" ? "is there" : "is gone"}`;
      return { kind: "presence-not-converged", device, evidence };
    });
  });
}
