/** The server's settings, given on the command line so that a new version of Doppel brings its own. */
export function serverArguments(
  data: string,
  socket: string,
  durable: boolean,
  extra: Record<string, string>,
): string[] {
  const settings = {
    cluster_name: "doppel",
    listen_addresses: "",
    unix_socket_directories: socket,
    unix_socket_permissions: "0700",
    max_connections: "40",
    shared_buffers: "128MB",
    fsync: durable ? "on" : "off",
    synchronous_commit: "on", // also without fsync, a kill of the server then loses nothing
    full_page_writes: durable ? "on" : "off",
    wal_compression: "on",
    // When a backend was killed or crashed, end: our process does too, since the log's connection is gone. PostgreSQL 18
    // that restarts itself and is asked to shut down while it recovers waits for ever.
    restart_after_crash: "off",
    max_wal_size: "1GB", // bounds the recovery after a kill to a few seconds
    timezone: "UTC",
    log_timezone: "UTC",
    jit: "off", // our queries are short
    log_destination: "stderr",
    logging_collector: "off",
    log_line_prefix: "%m [%p] ",
    log_min_messages: "warning",
    log_checkpoints: "off",
    // No statement and no row's values in the log: they hold what devices sent.
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
    ...extra,
  };
  return ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}
