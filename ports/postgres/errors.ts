/** The ways in which the embedded PostgreSQL can refuse to start, one class per different reaction of the caller. */

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
