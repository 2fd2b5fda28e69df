/** The numbers by which twins of one device type are judged; all times in milliseconds. */
export type TwinPolicy = {
  /** Online without a message for this long → offline. */
  readonly silenceMs: number;
  /** A lost connection is announced only if the device is not back within this time. */
  readonly graceMs: number;
  /** The same grace after a restart of this process, which broke every connection at once. */
  readonly restartGraceMs: number;
  /** This many status edges within `flapWindowMs` mark the device as flapping … */
  readonly flapEdges: number;
  readonly flapWindowMs: number;
  /** … until it has had none for this long. */
  readonly steadyMs: number;
  /** Most bytes of desired + reported as JSON, metadata not counted (AWS: 8 KB). */
  readonly shadowMaxBytes: number;
  /** Most levels of nesting in desired or reported (AWS: 6). */
  readonly shadowMaxDepth: number;
  /** A reading whose device time is further ahead of ours than this is refused. */
  readonly maxClockAheadMs: number;
  /** Open commands (not yet in a terminal state) that one device may have. */
  readonly maxOpenCommands: number;
};

export const defaultPolicy: TwinPolicy = {
  silenceMs: 60_000,
  graceMs: 3_000,
  restartGraceMs: 15_000,
  flapEdges: 6,
  flapWindowMs: 120_000,
  steadyMs: 120_000,
  shadowMaxBytes: 8_192,
  shadowMaxDepth: 6,
  maxClockAheadMs: 24 * 3_600_000,
  maxOpenCommands: 100,
};
