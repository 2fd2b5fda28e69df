/** What the fleet has done so far. Counts of messages unless said otherwise. */
export type Tally = {
  connected: number;
  connects: number;
  losses: number;
  sent: number;
  acknowledged: number;
  failed: number;
  duplicates: number;
  bad: number;
  deltas: number;
  commands: number;
};

export function newTally(): Tally {
  return {
    connected: 0,
    connects: 0,
    losses: 0,
    sent: 0,
    acknowledged: 0,
    failed: 0,
    duplicates: 0,
    bad: 0,
    deltas: 0,
    commands: 0,
  };
}

/** One line of progress. */
export function progressLine(tally: Tally, before: Tally, seconds: number): string {
  const perSecond = (tally.acknowledged - before.acknowledged) / seconds;
  return (
    `${tally.connected} connected, ${Math.round(perSecond)} acknowledged/s, ${tally.acknowledged} in all; ` +
    `${tally.duplicates} duplicates, ${tally.bad} bad, ${tally.losses} connection losses, ` +
    `${tally.deltas} deltas and ${tally.commands} commands obeyed`
  );
}

export function summary(tally: Tally, seconds: number): string {
  const open = tally.sent - tally.acknowledged - tally.failed;
  return [
    `After ${seconds.toFixed(1)} s:`,
    `  acknowledged   ${tally.acknowledged} of ${tally.sent} messages sent (${tally.failed} lost with their connection, ${open} open)`,
    `  among them     ${tally.duplicates} duplicates and ${tally.bad} bad messages, on purpose`,
    `  connections    ${tally.connects} made, ${tally.losses} broken on purpose`,
    `  obeyed         ${tally.deltas} shadow deltas, ${tally.commands} commands`,
  ].join("\n");
}
