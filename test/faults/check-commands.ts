import { isEnded } from "../../core/device/commands.ts";
import type { CommandMoved, CommandRequested } from "../../core/device/records.ts";
import type { Facts, Logged, Stored, Violation, ViolationKind } from "./facts.ts";
import { commandKey, type Journal, type SentCommand, type SentWord, wordKey } from "./journal.ts";

/** A command's life by the log. */
type Life = {
  readonly device: string;
  readonly requested: CommandRequested[];
  readonly moves: CommandMoved[];
};

/** Accepted commands are in the log once; each ends at most once, for a reason that was given. */
export function checkCommandLog(journal: Journal, { log }: Pick<Stored, "log">): Violation[] {
  const violations: Violation[] = [];
  const lives = livesOf(log);
  for (const [key, life] of lives) {
    const sent = journal.commands.get(key);
    const say = (kind: ViolationKind, evidence: string) =>
      violations.push({ kind, device: life.device, evidence: `${key}: ${evidence}` });
    if (sent === undefined || sent.sends === 0) {
      say("command-invented", "nobody sent it");
      continue;
    }
    if (life.requested.length !== 1) say("command-twice", `${life.requested.length} requests in the log`);
    if (sent.refused && !sent.acknowledged) say("command-invented", "it was refused and is in the log");
    const ends = life.moves.filter(({ to }) => isEnded(to));
    if (ends.length > 1) say("command-ended-twice", `it ended as ${ends.map(({ to }) => to).join(" and ")}`);
    const last = life.moves.at(-1);
    if (ends.length === 1 && last !== ends[0]) say("command-ended-twice", `after ${ends[0]!.to} it became ${last!.to}`);
    if (ends[0] !== undefined && !isFounded(journal, sent, ends[0], life))
      say("command-end-unfounded", `it became ${ends[0].to}, which nobody asked for, or too early`);
  }
  for (const [key, sent] of journal.commands) {
    const end = endOf(lives.get(key));
    if (sent.acknowledged && !lives.has(key))
      violations.push({
        kind: "command-lost",
        device: sent.device,
        evidence: `${key} was accepted and is not in the log`,
      });
    if (sent.cancel?.outcome === "accepted" && end?.to !== "cancelled")
      violations.push({
        kind: "command-word-lost",
        device: sent.device,
        evidence: `the cancel of ${key} was accepted, it is ${end?.to ?? "open"}`,
      });
  }
  return [...violations, ...checkWords(journal, log, lives)];
}

/** What is still open may be: it has not expired, and a device that is there has got it. Lists agree with the log. */
export function checkCommandStates(
  facts: Pick<Facts, "journal" | "log" | "fleetCommands" | "expected" | "expiriesDueMs" | "progress">,
): Violation[] {
  const { journal, log, fleetCommands, expected, expiriesDueMs, progress } = facts;
  const violations: Violation[] = [];
  const lives = livesOf(log);
  const listed = new Map(fleetCommands.map((command) => [commandKey(command.device, command.command), command]));
  const listable = livesOf(log.filter(({ offset }) => offset < progress.fleet));
  for (const [key, life] of lives) {
    const { device, requested, moves } = life;
    const state = moves.at(-1)?.to ?? "queued";
    const expiresAtMs = requested[0]?.expiresAtMs ?? null;
    const byLog = listable.get(key)?.moves.at(-1)?.to ?? "queued";
    if (listable.has(key) && listed.get(key)?.state !== byLog) {
      const evidence = `the list of commands says ${listed.get(key)?.state} of ${key}, the log ${byLog}`;
      violations.push({ kind: "command-state", device, evidence });
    }
    if (isEnded(state) || state === "acknowledged") continue;
    if (expiresAtMs !== null && expiresAtMs <= expiriesDueMs) {
      const evidence = `${key} is ${state} and expired at ${new Date(expiresAtMs).toISOString()}`;
      violations.push({ kind: "command-not-expired", device, evidence });
    } else if (expected.get(device) === "online" && journal.commands.get(key)?.delivered === false) {
      const evidence = `${key} is ${state}, and its device is there and never got it`;
      violations.push({ kind: "command-not-delivered", device, evidence });
    }
  }
  return violations;
}

/** What a device said and had acknowledged has moved its command, or is a dead letter because that had ended. */
function checkWords(journal: Journal, log: readonly Logged[], lives: ReadonlyMap<string, Life>): Violation[] {
  const late = new Set<string>();
  for (const { device, record } of log) {
    if (record.kind !== "deadLettered") continue;
    const command = /\/commands\/([^/]+)\/ack$/.exec(record.topic)?.[1];
    if (command !== undefined) late.add(`${device} ${command} ${record.payload}`);
  }
  return [...journal.words.values()].flatMap((word): Violation[] => {
    if (!word.acknowledged) return [];
    const life = lives.get(commandKey(word.device, word.command));
    if (hasEffect(word, life) || late.has(`${word.device} ${word.command} ${word.text}`)) return [];
    const states = life?.moves.map(({ to }) => to).join(", ") ?? "none";
    const evidence = `"${word.status}" of ${word.command} was acknowledged; the log has the states ${states}, and no dead letter`;
    return [{ kind: "command-word-lost", device: word.device, evidence }];
  });
}

function hasEffect({ status }: SentWord, life: Life | undefined): boolean {
  const states = life?.moves.map(({ to }) => to) ?? [];
  // On the way there, a word says nothing new once the device has told its end.
  if (status === "acknowledged" || status === "in_progress")
    return states.some((state) => ["acknowledged", "succeeded", "failed", "rejected"].includes(state));
  return states.includes(status);
}

function isFounded(journal: Journal, sent: SentCommand, end: CommandMoved, life: Life): boolean {
  switch (end.to) {
    case "expired": {
      const { expiresAtMs = null } = life.requested[0] ?? {};
      return expiresAtMs !== null && end.atMs >= expiresAtMs && !life.moves.some(({ to }) => to === "acknowledged");
    }
    case "cancelled":
      return sent.cancel !== null && sent.cancel.outcome !== "refused";
    default: {
      const word = journal.words.get(wordKey({ device: sent.device, command: sent.id, status: end.to }));
      return word !== undefined && word.sends > 0;
    }
  }
}

function endOf(life: Life | undefined): CommandMoved | undefined {
  return life?.moves.find(({ to }) => isEnded(to));
}

function livesOf(log: readonly Logged[]): Map<string, Life> {
  const lives = new Map<string, Life>();
  for (const { device, record } of log) {
    if (record.kind !== "commandRequested" && record.kind !== "commandMoved") continue;
    const key = commandKey(device, record.command);
    const life = lives.get(key) ?? { device, requested: [], moves: [] };
    lives.set(key, life);
    if (record.kind === "commandRequested") life.requested.push(record);
    else life.moves.push(record);
  }
  return lives;
}
