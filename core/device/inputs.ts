import type { Json, JsonObject } from "../json.ts";
import type { CompiledRules } from "../quality/compiled-rules.ts";
import type { CommandState } from "./commands.ts";
import type { TwinPolicy } from "./policy.ts";
import type { Session } from "./presence.ts";
import type { TwinRecord } from "./records.ts";
import type { Registration, RegistrationPatch } from "./registration.ts";
import type { ShadowAnswer, ShadowRequest } from "./shadow.ts";
import type { Twin } from "./twin.ts";

/** What a twin can be asked or told. `session` is the MQTT session that carried it; null over HTTP. */
export type TwinInput =
  /** A payload from `devices/{id}/telemetry`, as received. */
  | {
      readonly kind: "telemetry";
      readonly topic: string;
      readonly payload: Uint8Array;
      readonly session: string | null;
      /**
       * When it reached us, where its turn may be tried again later: the time of readings without one, and so the same
       * message each time.
       */
      readonly receivedAtMs?: number;
      /**
       * An operator sends it again, from the dead letters: it is not the device that speaks now. `override`: rules that
       * would put it in quarantine only flag it.
       */
      readonly again?: { readonly override: boolean };
    }
  | { readonly kind: "heartbeat"; readonly session: string | null }
  /** A message that a gateway could not route or was not allowed to take. */
  | {
      readonly kind: "refused";
      readonly topic: string;
      readonly payload: Uint8Array;
      readonly reason: string;
      readonly detail: string;
      readonly session: string | null;
    }
  | { readonly kind: "connected"; readonly session: Session }
  | { readonly kind: "disconnected"; readonly session: string; readonly graceful: boolean; readonly reason: string }
  /** The device's last will, or its own word on `devices/{id}/status`. */
  | {
      readonly kind: "status";
      readonly session: string | null;
      readonly status: "online" | "offline";
      readonly will: boolean;
    }
  /** The device now listens to what we send it: commands, or the delta of one shadow. */
  | {
      readonly kind: "listening";
      readonly session: string;
      readonly to: Listening;
      /** When it said so, by the clock that dates its sessions; known where a broker in front of us tells. */
      readonly saidAtMs?: number;
    }
  | {
      readonly kind: "shadow";
      readonly shadow: string;
      readonly request: ShadowRequest;
      readonly by: "device" | "app";
      readonly session: string | null;
    }
  | {
      readonly kind: "commandRequest";
      readonly command: string;
      readonly name: string;
      readonly parameters: Json;
      /** Milliseconds from now, or null for never. */
      readonly expiresInMs: number | null;
    }
  | { readonly kind: "commandCancel"; readonly command: string; readonly reason?: string }
  /** From `devices/{id}/commands/{command}/ack`, as received. */
  | {
      readonly kind: "commandAck";
      readonly command: string;
      readonly topic: string;
      readonly payload: Uint8Array;
      readonly session: string | null;
    }
  | { readonly kind: "register"; readonly patch: RegistrationPatch; readonly mode: "create" | "update" | "upsert" }
  | { readonly kind: "deregister" }
  /** The moment that `nextDeadline` named has come, or the policy has changed. */
  | { readonly kind: "deadline" }
  | { readonly kind: "read" };

export type Listening = { readonly channel: "commands" } | { readonly channel: "shadowDelta"; readonly shadow: string };

/** What the turn is given besides the twin and the input: all that is not pure. */
export type TwinContext = {
  readonly nowMs: number;
  /** By device type. */
  readonly policyOf: (type: string) => TwinPolicy;
  /** Quality rules by device type; without it the default rules hold for all. */
  readonly rulesOf?: ((type: string) => CompiledRules) | undefined;
  /**
   * The process that holds the device connections, if they die with it (embedded): a session of another node is
   * known to be broken since `startedAtMs`. Null where brokers outlive us.
   */
  readonly node: { readonly id: string; readonly startedAtMs: number } | null;
  /** Whether an unknown device is registered by its first message. */
  readonly openRegistry: boolean;
};

/** What goes out to the device after the commit; the gateway knows the topics. */
export type Send =
  | {
      readonly kind: "command";
      readonly command: string;
      readonly name: string;
      readonly parameters: Json;
      readonly expiresAtMs: number | null;
    }
  | { readonly kind: "commandCancelled"; readonly command: string }
  /** An accepted update or delete, for everybody who listens to it. */
  | { readonly kind: "shadowAnswer"; readonly shadow: string; readonly answer: ShadowAnswer }
  | { readonly kind: "shadowDelta"; readonly shadow: string; readonly body: JsonObject }
  | { readonly kind: "shadowDocuments"; readonly shadow: string; readonly body: JsonObject };

/** What the caller is told, after the commit. */
export type Reply =
  | { readonly kind: "done" }
  /** Telemetry: how many messages of the payload were new, seen before, or refused (and dead-lettered). */
  | { readonly kind: "counted"; readonly accepted: number; readonly duplicates: number; readonly refused: number }
  | { readonly kind: "refused"; readonly reason: string; readonly detail: string }
  | { readonly kind: "shadow"; readonly answer: ShadowAnswer }
  | { readonly kind: "command"; readonly command: string; readonly state: CommandState }
  | { readonly kind: "registered"; readonly registration: Registration; readonly created: boolean }
  | { readonly kind: "twin"; readonly twin: Twin }
  /** The device is not in the registry (and is not registered by contact). */
  | { readonly kind: "unknownDevice" }
  | { readonly kind: "unknownCommand" }
  | { readonly kind: "conflict"; readonly detail: string };

/** One turn's outcome, in the order in which the host carries it out: records, then sends, then the reply. */
export type Decision = {
  readonly records: readonly TwinRecord[];
  readonly sends: readonly Send[];
  readonly reply: Reply;
};
