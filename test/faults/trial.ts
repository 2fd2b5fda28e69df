/** What a fault run needs of a system: how it is started, disturbed under load, and judged when all has settled. */

import type { LinkOptions } from "./device-link.ts";
import type { Facts, Violation } from "./facts.ts";

export type TrialOptions = {
  readonly seed: number;
  /** Faults while the load runs. */
  readonly faults: number;
  /** Of load, about; what the system needs to come back is not counted. */
  readonly seconds: number;
  readonly say: (line: string) => void;
};

/** What the run knows when the load has ended. */
export type Settled = Pick<Facts, "journal" | "api" | "expected" | "expiriesDueMs" | "steady" | "steadyUntilMs">;

export type Judgement = {
  readonly violations: readonly Violation[];
  /** Telemetry in the log, and rows in the time series. */
  readonly logged: number;
  readonly rows: number;
  /** What else there is to tell, for a person. */
  readonly remarks: readonly string[];
};

export interface Trial {
  /** Devices and apps connect there; readable after `start`. */
  readonly mqttPort: number;
  readonly httpPort: number;
  /** When a device's QoS 2 message is the system's for good. */
  readonly exactlyOnceFrom: LinkOptions["exactlyOnceFrom"];
  /** So long, after the last device has gone, until apps see everything as it is. */
  readonly convergeLimitMs: number;
  /** What was done to it, in order. */
  readonly kills: readonly string[];
  /** After each fault, until it was up again. */
  readonly restartSeconds: readonly number[];
  start(): Promise<void>;
  /** Every planned fault, one after the other, while the load runs; resolves when the system is up again. */
  disturb(): Promise<void>;
  /** Called when devices have just left, or fallen silent. */
  deserted(): Promise<void>;
  /** Ends the system; what is on its disks is held against what was sent. */
  judge(settled: Settled): Promise<Judgement>;
  /** Leaves nothing behind, wherever the run was. */
  destroy(): Promise<void>;
}
