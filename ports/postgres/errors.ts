/** The ways in which PostgreSQL can be no help: it does not start (a class per different reaction), or it is away. */

/** Another live process uses the data folder: tell the person, end. Nothing was touched. */
export class ClusterInUse extends Error {
  override readonly name = "ClusterInUse";
  readonly code = "CLUSTER_IN_USE";
  readonly retry = "never";

  readonly folder: string;
  /** Process id of the one that uses it. */
  readonly pid: number;

  constructor(folder: string, pid: number, what: string) {
    super(
      `The data folder ${folder} is in use by ${what} (process ${pid}). Stop that one, or choose another data folder.`,
    );
    this.folder = folder;
    this.pid = pid;
  }
}

/** PostgreSQL cannot run here as things are: no binaries for the platform, a folder of another user, a failed start. */
export class ClusterUnavailable extends Error {
  override readonly name = "ClusterUnavailable";
  readonly code = "CLUSTER_UNAVAILABLE";
  readonly retry = "never";
}

/**
 * Whether the error says that PostgreSQL is away or starting, and not that it refused what was asked: later it may work.
 * Such are the system's errors of a connection, SQLSTATE classes 08 (connection) and 57P (an operator's intervention), and
 * node-postgres' own words, which have no code.
 */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code = "", syscall = "" } = error as { code?: unknown; syscall?: unknown };
  if (syscall === "connect" || /^(ECONNRESET|EPIPE|08...|57P0[123])$/.test(String(code))) return true;
  return /^(Connection terminated|timeout exceeded when trying to connect)/.test(error.message);
}
