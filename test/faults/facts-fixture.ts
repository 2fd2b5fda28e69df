/** For the checker's tests: the facts of a run without a fault, made by the real core from a script of inputs. */
import { takeTurn } from "../../core/device/decide.ts";
import { evolve } from "../../core/device/evolve.ts";
import type { TwinContext, TwinInput } from "../../core/device/inputs.ts";
import { entries } from "../../core/device/metrics.ts";
import { defaultPolicy } from "../../core/device/policy.ts";
import { statusOf } from "../../core/device/presence.ts";
import { documentOf } from "../../core/device/shadow.ts";
import { newTwin, type Twin } from "../../core/device/twin.ts";
import type { JsonObject } from "../../core/json.ts";
import { memoryFleetIndex } from "../../ports/fleet-index/memory.ts";
import { rowsOf } from "../../sinks/timeseries/fold.ts";
import type { ApiTwin, Facts, Logged } from "./facts.ts";
import { Journal } from "./journal.ts";

const startMs = Date.UTC(2026, 10, 21, 12);
const bytes = (text: string) => new TextEncoder().encode(text);

/**
 * "there" stays connected, "gone" leaves. Each has telemetry (with a resend, and a message that is in doubt and never
 * came), a dead letter, updates of both sides of a shadow, and commands that succeeded, expired, were cancelled, are open.
 */
export async function healthyFacts(): Promise<Facts> {
  const script = new Script();
  for (const device of ["there", "gone"]) script.play(device);
  script.tell("gone", { kind: "disconnected", session: "gone-1", graceful: true, reason: "disconnect" });
  const { journal, log, twins } = script;
  const logEnd = log.length;

  const fleet = memoryFleetIndex();
  await fleet.apply(log, { from: 0, to: logEnd });
  const all = { cursor: null, limit: 1_000 };
  // As after a kill: one checkpoint is old, the rest of its twin is in the log's tail.
  const middle = log.findLast(({ device, record }) => device === "there" && record.kind === "telemetry")!.offset;
  const checkpoints = new Map([
    ["there", { twin: script.twinBelow("there", middle), nextOffset: middle, deadlineMs: null }],
    ["gone", { twin: twins.get("gone")!, nextOffset: logEnd, deadlineMs: null }],
  ]);
  const { items } = await fleet.devices({}, all);
  return {
    journal,
    log,
    logEnd,
    checkpoints,
    replayFrom: middle,
    rows: rowsOf(log.map(({ offset, device, record }) => ({ offset, entry: { device, record } }))),
    progress: { timeseries: logEnd, fleet: logEnd },
    sinksDueMs: script.nowMs + 1,
    expiriesDueMs: script.nowMs,
    fleetCommands: (await fleet.commands({ device: null }, all)).items,
    fleetDeadLetters: (await fleet.events({ device: null, kinds: ["deadLettered"] }, all)).items,
    api: {
      statuses: new Map(items.map(({ id, status }) => [id, status])),
      twins: new Map([...twins].map(([id, twin]) => [id, shown(twin, script.nowMs)])),
    },
    expected: new Map([
      ["there", "online"],
      ["gone", "offline"],
    ]),
    steady: ["there"],
    steadyUntilMs: script.nowMs + 1,
  };
}

class Script {
  readonly journal = new Journal();
  readonly log: Logged[] = [];
  readonly twins = new Map<string, Twin>();
  nowMs = startMs;

  play(device: string): void {
    const { journal } = this;
    const session = `${device}-1`;
    this.tell(device, { kind: "connected", session: { id: session, connectedAtMs: this.nowMs, node: "n" } });
    this.tell(device, { kind: "listening", session, to: { channel: "commands" } });
    for (const seq of [1, 2, 2, 3]) this.#telemetry(device, seq);
    journal.addTelemetry({ device, boot: "1", seq: 4, tsMs: this.nowMs, readings: { n: journal.unique() } }).sends = 1;
    const text = `{"readings": oops ${device}`;
    Object.assign(journal.addMalformed({ device, text, encoding: "utf8" }), { sends: 1, acknowledged: true });
    this.tell(device, { kind: "telemetry", topic: `devices/${device}/telemetry`, payload: bytes(text), session });
    this.#update(device, "device", { reported: { level: 1, nested: { a: 1, b: 2 } } });
    this.#update(device, "app", { desired: { level: 3, nested: { a: 1, b: null } } });
    this.#update(device, "device", { reported: { nested: { b: null, c: [1] } } });
    this.#command(device, "done", null);
    this.#word(device, "done", "acknowledged");
    this.#word(device, "done", "succeeded");
    this.#command(device, "late", 10);
    this.#command(device, "unwanted", null);
    this.tell(device, { kind: "commandCancel", command: "unwanted" });
    journal.commands.get(`${device} unwanted`)!.cancel = { sends: 1, outcome: "accepted" };
    this.#command(device, "open", 3_600_000);
    this.nowMs += 1_000;
    this.tell(device, { kind: "deadline" });
  }

  tell(device: string, input: TwinInput): void {
    this.nowMs += 1;
    const context: TwinContext = {
      nowMs: this.nowMs,
      policyOf: () => defaultPolicy,
      node: { id: "n", startedAtMs: startMs },
      openRegistry: true,
    };
    const { twin, records } = takeTurn(this.twins.get(device) ?? newTwin(device), input, context);
    this.twins.set(device, twin);
    for (const record of records) this.log.push({ offset: this.log.length, device, record });
  }

  twinBelow(device: string, offset: number): Twin {
    const script = new Script();
    script.log.push(...this.log.filter((logged) => logged.device === device && logged.offset < offset));
    return script.#fold(device);
  }

  #fold(device: string): Twin {
    return this.log.reduce((twin, { record }) => evolve(twin, record), newTwin(device));
  }

  #telemetry(device: string, seq: number): void {
    const known = this.journal.telemetry.get(`${device} 1 ${seq}`);
    const readings = known?.readings ?? { n: this.journal.unique(), open: seq % 2 === 0, mode: "eco" };
    const sent = this.journal.addTelemetry({ device, boot: "1", seq, tsMs: startMs + seq, readings });
    sent.sends += 1;
    sent.acknowledged = true;
    const payload = bytes(JSON.stringify({ ts: startMs + seq, boot: "1", seq, readings }));
    this.tell(device, { kind: "telemetry", topic: `devices/${device}/telemetry`, payload, session: `${device}-1` });
  }

  #update(device: string, by: "device" | "app", patch: { desired?: JsonObject; reported?: JsonObject }): void {
    const mark = this.journal.unique();
    const marked =
      by === "app" ? { desired: { wish: mark, ...patch.desired } } : { reported: { ...patch.reported, mark } };
    const sent = this.journal.addUpdate({ device, shadow: "", mark, by, patch: marked });
    const session = by === "app" ? null : `${device}-1`;
    const payload = bytes(JSON.stringify({ state: marked }));
    this.tell(device, { kind: "shadow", shadow: "", by, session, request: { kind: "update", payload } });
    const shadow = this.twins.get(device)!.shadows[""];
    Object.assign(sent, { sends: 1, acknowledged: true, version: by === "app" ? shadow!.version : null });
  }

  #command(device: string, id: string, expiresInMs: number | null): void {
    const command = { name: "do", parameters: null, expiresInMs };
    const sent = this.journal.addCommand({ device, id, ...command });
    Object.assign(sent, { sends: 1, acknowledged: true, delivered: true });
    this.tell(device, { kind: "commandRequest", command: id, ...command });
  }

  #word(device: string, command: string, status: "acknowledged" | "succeeded"): void {
    const text = JSON.stringify({ status });
    Object.assign(this.journal.addWord({ device, command, status, text }), { sends: 1, acknowledged: true });
    const topic = `devices/${device}/commands/${command}/ack`;
    this.tell(device, { kind: "commandAck", command, topic, payload: bytes(text), session: `${device}-1` });
  }
}

function shown(twin: Twin, nowMs: number): ApiTwin {
  const shadow = twin.shadows[""];
  if (shadow?.kind !== "live") throw new Error(`${twin.id} has no shadow to show.`);
  const { commands, metrics, presence, revision } = twin;
  return {
    revision,
    status: statusOf(presence),
    connected: presence.phase === "online",
    shadows: { "": documentOf(shadow, nowMs) as ApiTwin["shadows"][string] },
    latest: Object.fromEntries(entries(metrics)),
    commands: [...commands.open, ...commands.ended],
  };
}
