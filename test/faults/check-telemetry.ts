import type { Facts, Logged, Stored, StoredRow, Violation } from "./facts.ts";
import { type Journal, malformedKey, type SentTelemetry, telemetryKey } from "./journal.ts";

/** Telemetry and dead letters: in the log, what was acknowledged, once, and nothing that nobody sent. */
export function checkTelemetryLog(journal: Journal, { log }: Pick<Stored, "log">): Violation[] {
  return [...checkAccepted(journal, log), ...checkDeadLetters(journal, log)];
}

/** The time series holds a row for each reading of the log, and every message that was acknowledged, once. */
export function checkRows({
  journal,
  log,
  rows,
  progress,
}: Pick<Facts, "journal" | "log" | "rows" | "progress">): Violation[] {
  return [...checkRowsByMessage(journal, rows), ...checkRowsByLog(log, rows, progress.timeseries)];
}

function checkAccepted(journal: Journal, log: readonly Logged[]): Violation[] {
  const violations: Violation[] = [];
  const found = new Map<string, number>();
  for (const { offset, device, record } of log) {
    if (record.kind !== "telemetry") continue;
    const { identity, readings, tsMs } = record;
    const key = identity.kind === "sequence" ? telemetryKey({ device, ...identity }) : JSON.stringify(identity);
    const sent = journal.telemetry.get(key);
    const text = `${key} at offset ${offset}: ${JSON.stringify(readings)}`;
    if (sent === undefined || sent.sends === 0) {
      violations.push({ kind: "telemetry-invented", device, evidence: `nobody sent ${text}` });
    } else if (!sameReadings(sent, readings) || sent.tsMs !== tsMs) {
      const evidence = `${text} (ts ${tsMs}) was sent as ${JSON.stringify(sent.readings)} (ts ${sent.tsMs})`;
      violations.push({ kind: "telemetry-invented", device, evidence });
    }
    const first = found.get(key);
    if (first === undefined) found.set(key, offset);
    else violations.push({ kind: "telemetry-twice", device, evidence: `${text}, and at offset ${first} already` });
  }
  for (const [key, { acknowledged, sends, device }] of journal.telemetry) {
    if (!acknowledged || found.has(key)) continue;
    const evidence = `${key} was acknowledged (sent ${sends} times) and is not in the log`;
    violations.push({ kind: "telemetry-lost", device, evidence });
  }
  return violations;
}

function checkDeadLetters(journal: Journal, log: readonly Logged[]): Violation[] {
  const violations: Violation[] = [];
  const found = new Map<string, number>();
  for (const { offset, device, record } of log) {
    if (record.kind !== "deadLettered") continue;
    const key = malformedKey(device, record.payload);
    if (record.topic.includes("/commands/")) continue; // a word on a command that had ended: see check-commands.ts
    found.set(key, (found.get(key) ?? 0) + 1);
    if (journal.malformed.has(key)) continue;
    const evidence = `the dead letter at offset ${offset} (${record.reason}) was sent as no such thing: ${record.payload}`;
    violations.push({ kind: "dead-letter-invented", device, evidence });
  }
  for (const [key, { acknowledged, sends, device, text }] of journal.malformed) {
    const times = found.get(key) ?? 0;
    if (acknowledged && times === 0)
      violations.push({ kind: "dead-letter-lost", device, evidence: `acknowledged and in no dead letter: ${text}` });
    if (times > sends)
      violations.push({
        kind: "dead-letter-twice",
        device,
        evidence: `${times} dead letters, sent ${sends} times: ${text}`,
      });
  }
  return violations;
}

/** Without a look at the log: `n` is a number that only one message has. */
function checkRowsByMessage(journal: Journal, rows: readonly StoredRow[]): Violation[] {
  const violations: Violation[] = [];
  const byNumber = new Map([...journal.telemetry.values()].map((sent) => [sent.readings.n, sent]));
  const found = new Map<number, number>();
  for (const { device, metric, value, tsMs, offset } of rows) {
    if (metric !== "n") continue;
    const sent = byNumber.get(value as number);
    const text = `the row n = ${value} (offset ${offset})`;
    if (sent === undefined || sent.device !== device || sent.tsMs !== tsMs)
      violations.push({
        kind: "row-invented",
        device,
        evidence: `${text} belongs to no message of that device and time`,
      });
    const first = found.get(value as number);
    if (first === undefined) found.set(value as number, offset);
    else violations.push({ kind: "row-twice", device, evidence: `${text} is there from offset ${first} already` });
  }
  for (const [n, { acknowledged, device, boot, seq }] of byNumber) {
    if (!acknowledged || found.has(n)) continue;
    const evidence = `boot ${boot} seq ${seq} (n = ${n}) was acknowledged and has no row`;
    violations.push({ kind: "row-lost", device, evidence });
  }
  return violations;
}

function checkRowsByLog(log: readonly Logged[], rows: readonly StoredRow[], progress: number): Violation[] {
  const violations: Violation[] = [];
  const found = new Map<string, StoredRow>();
  for (const row of rows) {
    const key = `${row.offset} ${row.metric}`;
    if (found.has(key))
      violations.push({
        kind: "row-twice",
        device: row.device,
        evidence: `two rows of ${row.metric} from offset ${row.offset}`,
      });
    found.set(key, row);
  }
  for (const { offset, device, record } of log) {
    if (record.kind !== "telemetry" || offset >= progress) continue;
    for (const [metric, value] of Object.entries(record.readings)) {
      const key = `${offset} ${metric}`;
      const row = found.get(key);
      found.delete(key);
      const evidence = `${metric} = ${value} of offset ${offset}`;
      if (row === undefined) violations.push({ kind: "row-lost", device, evidence: `${evidence} has no row` });
      else if (row.value !== value || row.device !== device || row.tsMs !== record.tsMs)
        violations.push({ kind: "row-invented", device, evidence: `${evidence} is in the row ${JSON.stringify(row)}` });
    }
  }
  for (const row of found.values())
    violations.push({ kind: "row-invented", device: row.device, evidence: `no reading for ${JSON.stringify(row)}` });
  return violations;
}

function sameReadings({ readings }: SentTelemetry, others: object): boolean {
  const sent = Object.entries(readings);
  const logged = new Map(Object.entries(others));
  return sent.length === logged.size && sent.every(([metric, value]) => logged.get(metric) === value);
}
