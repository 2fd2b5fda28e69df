/**
 * One device of the load: measures, reports its state, obeys commands (or not), sends what no twin can take, and comes
 * and goes by its role. All that it does is in the journal.
 */

import type { JsonObject } from "../../core/json.ts";
import { pick, type Random, seeded } from "../../simulator/random.ts";
import { DeviceLink, type LinkOptions } from "./device-link.ts";
import { request } from "./http.ts";
import type { CommandStatus, Journal, Sent, SentShadowUpdate, SentTelemetry, SentWord } from "./journal.ts";

/** steady: always there. roaming: loses its connection and stays away a while. sleeper: the same, with a session. */
export type Role = "steady" | "roaming" | "sleeper" | "http";

export type DeviceOptions = {
  readonly id: string;
  readonly role: Role;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly seed: number;
  /** Between two messages, on average. */
  readonly intervalMs: number;
  readonly journal: Journal;
  readonly exactlyOnceFrom: LinkOptions["exactlyOnceFrom"];
};

type Heard = {
  readonly id?: string;
  readonly name?: string;
  readonly cancel?: true;
  readonly state?: JsonObject;
  readonly version?: number;
  readonly clientToken?: string;
  readonly code?: number;
};

/** A device's buffer: it stops measuring when so much is not acknowledged. */
const mostUnacknowledged = 60;
const heartbeatMs = 1_000;
/** AWS IoT Core quotas: 10 unacknowledged shadow requests per thing. A broker's own acknowledgement does not count there. */
const mostUpdates = 8;

export class LoadDevice {
  readonly id: string;
  readonly role: Role;
  readonly #options: DeviceOptions;
  readonly #journal: Journal;
  readonly #random: Random;
  readonly #link: DeviceLink;
  #phase: "measuring" | "finishing" | "staying" | "mute" | "gone" = "measuring";
  #nextMs = 0;
  #awayUntilMs = 0;
  #boot = 1;
  #seq = 0;
  #tsMs = 0;
  #recent: SentTelemetry[] = [];
  #updating: SentShadowUpdate[] = [];
  #httpQueue: SentTelemetry[] = [];
  #httpBusy = false;

  constructor(options: DeviceOptions) {
    const { id, role, mqttPort, seed } = options;
    this.id = id;
    this.role = role;
    this.#options = options;
    this.#journal = options.journal;
    this.#random = seeded(seed, `${id}/life`);
    this.#link = new DeviceLink({
      port: mqttPort,
      clientId: id,
      clean: role !== "sleeper",
      filters: [
        `devices/${id}/commands`,
        ...["shadow", "shadow/name/settings"].flatMap((shadow) =>
          ["delta", "accepted", "rejected"].map((answer) => `$aws/things/${id}/${shadow}/update/${answer}`),
        ),
      ],
      onMessage: (topic, payload) => this.#hear(topic, payload),
      exactlyOnceFrom: options.exactlyOnceFrom,
      seed,
    });
  }

  start(nowMs: number): void {
    this.#nextMs = nowMs + this.#random() * this.#options.intervalMs;
    if (this.role !== "http") this.#link.open();
  }

  /** To be called often: does what is due. */
  tick(nowMs: number): void {
    if (nowMs < this.#nextMs) return;
    switch (this.#phase) {
      case "measuring":
        this.#nextMs = nowMs + this.#options.intervalMs * (0.5 + this.#random());
        this.#roam(nowMs);
        if (this.unacknowledged < mostUnacknowledged) this.#act(nowMs);
        return;
      case "staying":
        this.#nextMs = nowMs + heartbeatMs;
        if (this.unacknowledged === 0) this.#publish(`devices/${this.id}/heartbeat`, "", 1, untracked());
        return;
      default:
    }
  }

  get unacknowledged(): number {
    return this.role === "http" ? this.#httpQueue.length : this.#link.unacknowledged;
  }

  /** Says nothing new any more, and comes back to get the rest acknowledged. */
  finish(): void {
    this.#phase = "finishing";
    if (this.role !== "http") this.#link.open();
  }

  /** Stays connected with a sign of life each second. */
  stay(): void {
    this.#phase = "staying";
  }

  /** Stays connected and says nothing any more, as a device that hangs. */
  fallSilent(): void {
    this.#phase = "mute";
  }

  /** Goes for good, with a goodbye or without one. */
  go(gracefully: boolean): void {
    this.#phase = "gone";
    this.#link.leave(gracefully);
  }

  #roam(nowMs: number): void {
    if (this.role !== "roaming" && this.role !== "sleeper") return;
    if (this.#awayUntilMs > 0) {
      if (nowMs < this.#awayUntilMs) return;
      this.#awayUntilMs = 0;
      this.#link.open();
    } else if (this.#random() < 0.03) {
      this.#awayUntilMs = nowMs + 200 + 4_000 * this.#random();
      this.#link.leave(this.#random() < 0.5);
    }
  }

  #act(nowMs: number): void {
    const roll = this.#random();
    if (this.role === "http") this.#measureByHttp(nowMs);
    else if (roll < 0.02) this.#sendMalformed();
    else if (roll < 0.04) this.#repeat();
    else if (roll < 0.05) this.#restart();
    else if (roll < 0.12) this.#report(pick(this.#random, ["", "settings"]), this.#someState());
    else if (roll < 0.3) this.#publishTelemetry([this.#measure(nowMs), this.#measure(nowMs), this.#measure(nowMs)]);
    else this.#publishTelemetry([this.#measure(nowMs)]);
  }

  #measure(nowMs: number): SentTelemetry {
    this.#seq += 1;
    this.#tsMs = Math.max(this.#tsMs + 1, nowMs);
    const n = this.#journal.unique();
    const temperature = Math.round(this.#random() * 4_000) / 100;
    const readings = { n, temperature, open: this.#random() < 0.5, mode: pick(this.#random, ["eco", "auto", "off"]) };
    const { id: device } = this;
    const entry = { device, boot: String(this.#boot), seq: this.#seq, tsMs: this.#tsMs, readings };
    const sent = this.#journal.addTelemetry(entry);
    this.#recent = [...this.#recent.slice(-19), sent];
    return sent;
  }

  #publishTelemetry(messages: readonly SentTelemetry[], bad: readonly string[] = []): void {
    const texts = [...messages.map(textOf), ...bad];
    const payload = texts.length === 1 ? texts[0]! : `[${texts.join(",")}]`;
    const malformed = bad.map((text) => this.#journal.addMalformed({ device: this.id, text, encoding: "utf8" }));
    this.#publish(`devices/${this.id}/telemetry`, payload, this.#random() < 0.2 ? 2 : 1, [...messages, ...malformed]);
  }

  #sendMalformed(): void {
    const n = this.#journal.unique();
    const topic = `devices/${this.id}/telemetry`;
    const kind = Math.floor(this.#random() * 4);
    // As one of an array, whose other messages must not suffer.
    if (kind === 0) {
      this.#publishTelemetry([this.#measure(Date.now())], [`{"readings":{"oops":null},"seq":${n}}`]);
      return;
    }
    const payload =
      kind === 1
        ? Buffer.from(`{"readings": oops ${n}`)
        : kind === 2
          ? Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(`${n}`)])
          : Buffer.from(`{"readings":{"temperature":[1]},"id":"${n}"}`);
    const encoding = kind === 2 ? "base64" : "utf8";
    const entry = this.#journal.addMalformed({ device: this.id, text: payload.toString(encoding), encoding });
    this.#publish(topic, payload, 1, [entry]);
  }

  /** What was acknowledged already, or is on its way, once more. */
  #repeat(): void {
    if (this.#recent.length > 0) this.#publishTelemetry([pick(this.#random, this.#recent)]);
  }

  /** Not while an earlier boot's messages are under way: a device empties its buffer before it counts anew. */
  #restart(): void {
    if (this.#link.unacknowledged > 0) return;
    this.#boot += 1;
    this.#seq = 0;
    this.#recent = [];
  }

  #someState(): JsonObject {
    return {
      level: Math.floor(this.#random() * 5),
      nested: { a: Math.floor(this.#random() * 3), [pick(this.#random, ["b", "c"])]: this.#random() < 0.3 ? null : 1 },
      list: [Math.floor(this.#random() * 3)],
    };
  }

  /** As many at a time as a device may have with AWS, and less: more are rejected, and acknowledged all the same. */
  #report(shadow: string, state: JsonObject): void {
    this.#updating = this.#updating.filter(({ acknowledged }) => !acknowledged);
    if (this.#updating.length >= mostUpdates) return;
    const mark = this.#journal.unique();
    const patch = { reported: { ...state, mark } };
    const entry = this.#journal.addUpdate({ device: this.id, shadow, mark, by: "device", patch });
    this.#updating.push(entry);
    const topic = `$aws/things/${this.id}/shadow${shadow === "" ? "" : `/name/${shadow}`}/update`;
    this.#publish(topic, JSON.stringify({ state: patch, clientToken: String(mark) }), 1, [entry]);
  }

  #hear(topic: string, payload: Buffer): void {
    const body = JSON.parse(payload.toString()) as Heard;
    const answer = /\/update\/(delta|accepted|rejected)$/.exec(topic)?.[1];
    if (answer === undefined) {
      if (body.cancel !== true) this.#obey(body.id!, body.name!);
    } else if (answer === "delta") {
      const shadow = topic.includes("/name/") ? "settings" : "";
      if (this.#phase === "measuring" && this.#random() < 0.6) this.#report(shadow, body.state!);
    } else {
      const entry = this.#journal.updates.get(Number(body.clientToken));
      if (entry === undefined) return; // an app's
      if (answer === "accepted") {
        entry.version = body.version!;
        entry.answeredMs ??= Date.now();
      } else if (body.code === 429) entry.refused = true;
      else this.#journal.surprises.push(`the update ${entry.mark} of ${this.id} was rejected: ${payload.toString()}`);
    }
  }

  /** The command's name says what the device does with it. */
  #obey(id: string, name: string): void {
    const command = this.#journal.commands.get(`${this.id} ${id}`);
    if (command !== undefined) command.delivered = true;
    const words: Record<string, CommandStatus[]> = {
      succeed: ["succeeded"],
      slowly: ["acknowledged", "in_progress", "succeeded"],
      fail: ["acknowledged", "failed"],
      reject: ["rejected"],
      forget: ["acknowledged"],
      ignore: [],
    };
    for (const status of words[name] ?? []) this.#say(id, status);
  }

  #say(command: string, status: CommandStatus): void {
    const text = JSON.stringify({ status, ...(status === "in_progress" && { progress: { percent: 50 } }) });
    const entry: SentWord = this.#journal.addWord({ device: this.id, command, status, text });
    this.#publish(`devices/${this.id}/commands/${command}/ack`, text, 1, [entry]);
  }

  #publish(topic: string, payload: string | Buffer, qos: 1 | 2, entries: readonly Sent[]): void {
    this.#link.publish({
      topic,
      payload: Buffer.from(payload as string),
      qos,
      onSend: () => {
        for (const entry of entries) {
          entry.sends += 1;
          entry.sentMs ??= Date.now();
        }
      },
      onAcknowledged: () => {
        for (const entry of entries) {
          entry.acknowledged = true;
          entry.acknowledgedMs ??= Date.now();
        }
      },
    });
  }

  #measureByHttp(nowMs: number): void {
    this.#httpQueue.push(this.#measure(nowMs));
    if (!this.#httpBusy) void this.#post();
  }

  /** One request at a time; what has no answer is sent again. */
  async #post(): Promise<void> {
    this.#httpBusy = true;
    while (this.#httpQueue.length > 0 && this.#phase !== "gone") {
      const entry = this.#httpQueue[0]!;
      entry.sends += 1;
      const path = `/v1/devices/${this.id}/telemetry`;
      const answer = await request(this.#options.httpPort, "POST", path, JSON.parse(textOf(entry)));
      if (answer.kind === "inDoubt") {
        await new Promise((resolve) => setTimeout(resolve, 200));
        continue;
      }
      if (answer.kind === "accepted") entry.acknowledged = true;
      else this.#journal.surprises.push(`POST ${path} was refused: ${answer.status} ${JSON.stringify(answer.body)}`);
      this.#httpQueue.shift();
    }
    this.#httpBusy = false;
  }
}

function textOf({ tsMs, seq, boot, readings }: SentTelemetry): string {
  return JSON.stringify({ ts: tsMs, seq, boot, readings });
}

function untracked(): Sent[] {
  return [];
}
