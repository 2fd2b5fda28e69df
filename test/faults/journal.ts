/**
 * What the load sent and what it was told: the truth that the checker holds against the system's word.
 *
 * J1 An entry is made before its first byte goes out, and marked acknowledged only on the answer itself: PUBACK,
 *    PUBREC (the server then owns a QoS 2 message) or a 2xx. Everything else stays in doubt.
 */
import type { Readings } from "../../core/device/telemetry.ts";
import type { Json, JsonObject } from "../../core/json.ts";

/** What every entry has: how often it went out (resends too), and whether that was ever acknowledged. */
export type Sent = {
  sends: number;
  acknowledged: boolean;
  /** When it first went out, and when that was acknowledged; of MQTT alone. Epoch ms. */
  sentMs: number | null;
  acknowledgedMs: number | null;
};

const unsent: Sent = { sends: 0, acknowledged: false, sentMs: null, acknowledgedMs: null };

export type SentTelemetry = Sent & {
  readonly device: string;
  readonly boot: string;
  readonly seq: number;
  readonly tsMs: number;
  /** `n` is a number that no other message has. */
  readonly readings: Readings & { readonly n: number };
};

/** A malformed message, by its text (base64 where it is no UTF-8), which is unique. */
export type SentMalformed = Sent & {
  readonly device: string;
  readonly text: string;
  readonly encoding: "utf8" | "base64";
};

/** An update of a shadow. A device's are known by `reported.mark`, an app's by `desired.wish`: unique numbers. */
export type SentShadowUpdate = Sent & {
  readonly device: string;
  readonly shadow: string;
  readonly mark: number;
  readonly by: "device" | "app";
  readonly patch: { readonly desired?: JsonObject; readonly reported?: JsonObject };
  /** The version that the answer told; null where there was none. */
  version: number | null;
  /** When a device had that answer. Epoch ms. */
  answeredMs: number | null;
  /** The answer was a refusal: an app's may never be seen in the log, a device's was too much at a time. */
  refused: boolean;
};

export type SentCommand = Sent & {
  readonly device: string;
  readonly id: string;
  readonly name: string;
  readonly parameters: Json;
  readonly expiresInMs: number | null;
  refused: boolean;
  /** The device has got it. */
  delivered: boolean;
  /** An app's cancel; null if nobody tried. */
  cancel: null | { sends: number; outcome: "accepted" | "refused" | "inDoubt" };
};

export type CommandStatus = "acknowledged" | "in_progress" | "succeeded" | "failed" | "rejected";

/** A device's word on a command. */
export type SentWord = Sent & {
  readonly device: string;
  readonly command: string;
  readonly status: CommandStatus;
  readonly text: string;
};

export class Journal {
  readonly telemetry = new Map<string, SentTelemetry>();
  readonly malformed = new Map<string, SentMalformed>();
  readonly updates = new Map<number, SentShadowUpdate>();
  readonly commands = new Map<string, SentCommand>();
  readonly words = new Map<string, SentWord>();
  /** Answers that no rule of the load foresees. */
  readonly surprises: string[] = [];
  #last = 0;

  /** A number that was not given out before. */
  unique(): number {
    this.#last += 1;
    return this.#last;
  }

  /** The entry of this identity: the one that is there, or the new one. */
  addTelemetry(entry: Omit<SentTelemetry, keyof Sent>): SentTelemetry {
    return added(this.telemetry, telemetryKey(entry), { ...entry, ...unsent });
  }

  addMalformed(entry: Omit<SentMalformed, keyof Sent>): SentMalformed {
    return added(this.malformed, malformedKey(entry.device, entry.text), { ...entry, ...unsent });
  }

  addUpdate(entry: Omit<SentShadowUpdate, keyof Sent | "version" | "answeredMs" | "refused">): SentShadowUpdate {
    return added(this.updates, entry.mark, { ...entry, ...unsent, version: null, answeredMs: null, refused: false });
  }

  addCommand(entry: Omit<SentCommand, keyof Sent | "refused" | "delivered" | "cancel">): SentCommand {
    const fresh = { ...entry, ...unsent, refused: false, delivered: false, cancel: null };
    return added(this.commands, commandKey(entry.device, entry.id), fresh);
  }

  addWord(entry: Omit<SentWord, keyof Sent>): SentWord {
    return added(this.words, wordKey(entry), { ...entry, ...unsent });
  }

  counts(): { sent: number; acknowledged: number; inDoubt: number; resends: number } {
    const counts = { sent: 0, acknowledged: 0, inDoubt: 0, resends: 0 };
    for (const entries of [this.telemetry, this.malformed, this.updates, this.commands, this.words]) {
      for (const entry of entries.values()) {
        if (entry.sends === 0) continue;
        counts.sent += 1;
        counts.resends += entry.sends - 1;
        if (entry.acknowledged) counts.acknowledged += 1;
        else if (!("refused" in entry && entry.refused)) counts.inDoubt += 1;
      }
    }
    return counts;
  }
}

export function telemetryKey({ device, boot, seq }: { device: string; boot: string; seq: number }): string {
  return `${device} ${boot} ${seq}`;
}

export function malformedKey(device: string, text: string): string {
  return `${device} ${text}`;
}

export function commandKey(device: string, id: string): string {
  return `${device} ${id}`;
}

export function wordKey({ device, command, status }: { device: string; command: string; status: string }): string {
  return `${device} ${command} ${status}`;
}

function added<Key, Entry>(entries: Map<Key, Entry>, key: Key, fresh: Entry): Entry {
  const known = entries.get(key);
  if (known !== undefined) return known;
  entries.set(key, fresh);
  return fresh;
}
