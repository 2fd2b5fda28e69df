/**
 * A role as a process: reads its options, runs it, ends it in order on SIGTERM or Ctrl-C, and ends by itself, with a reason,
 * when a part that it cannot do without has ended. Each role's `start.ts` is a call of this.
 */
import type { Logger } from "pino";
import { openLogger } from "./ports/logger/pino.ts";
import { type ReadRoleConfig, type Role, type RoleConfig, readRoleConfig } from "./role-config.ts";
import { readSecretFile } from "./secret-files.ts";

export type RunningRole = {
  readonly port: number;
  /** Rejects when the process must end. */
  readonly closed: Promise<void>;
  /** Takes no more work, finishes what is under way, says goodbye. Idempotent. */
  close(): Promise<void>;
};

export type RoleOptions<R extends Role> = { readonly config: RoleConfig<R>; readonly logger: Logger };

export async function startRole<R extends Role>(
  role: R,
  run: (options: RoleOptions<R>) => Promise<RunningRole>,
): Promise<void> {
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  const read: ReadRoleConfig<R> = readRoleConfig(role, process.env, process.argv.slice(2), readSecretFile);
  if (read.kind === "help") {
    process.stdout.write(read.text);
    return;
  }
  if (read.kind === "problems") {
    process.stderr.write(`${role} cannot start:\n${read.problems.map((problem) => `  - ${problem}\n`).join("")}`);
    process.exitCode = 2;
    return;
  }
  // Every role has these; the compiler does not see it of a role that it does not know yet.
  const { name, ...logging }: { name: string; logLevel: string; logFormat: "auto" | "json" | "pretty" } =
    read.config as RoleConfig<Role>;
  const logger = openLogger(logging);
  const running = await run({ config: read.config, logger }).catch((error: Error) => {
    process.stderr.write(`${role} cannot start: ${error.message}\n`);
    process.exit(1);
  });
  logger.info({ port: running.port }, `${name} is up`);
  running.closed.catch((error: Error) => {
    logger.fatal({ error }, "a part that cannot be done without has ended");
    process.exit(1);
  });
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      logger.info({ signal }, "stopping");
      running.close().then(
        () => process.exit(0),
        (error: Error) => {
          logger.error({ error }, "did not stop cleanly");
          process.exit(1);
        },
      );
    });
  }
}

/** Closers, the newest first; one that fails does not keep the others from closing. */
export function openClosers(logger: Logger): { add(close: () => unknown): void; closeAll(): Promise<void> } {
  const closers: (() => unknown)[] = [];
  let closing: Promise<void> | null = null;
  const closeAll = async () => {
    for (const close of closers.reverse()) {
      try {
        await close();
      } catch (error) {
        logger.error({ error }, "a part did not close cleanly");
      }
    }
  };
  return {
    add: (close) => closers.push(close),
    closeAll() {
      closing ??= closeAll();
      return closing;
    },
  };
}
