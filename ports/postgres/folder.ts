/** The folder of a cluster and who owns it: `data/`, `socket/` (private), `postgres.log`, `holder.json`. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { REACHABLE_FOLDER } from "./binaries.ts";
import { ClusterUnavailable } from "./errors.ts";
import { type ServerUser, serverUser, userCan } from "./server-user.ts";

export type ClusterFolder = {
  /** As the caller named it; a link to `root` when the server's user cannot reach that place. */
  named: string;
  root: string;
  data: string;
  log: string;
  user: ServerUser;
};

/** unix(7): sun_path holds 108 bytes with the final zero (macOS: 104); the file is `<folder>/.s.PGSQL.5432.lock` at most. */
const SOCKET_FOLDER_LIMIT = (process.platform === "linux" ? 107 : 103) - "/.s.PGSQL.5432".length;
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;

export function prepareFolder(folder: string, say: (line: string) => void): ClusterFolder {
  const named = resolve(folder);
  const known = existsSync(named);
  try {
    mkdirSync(named, { recursive: true });
  } catch (cause) {
    throw new ClusterUnavailable(`The database folder ${named} cannot be made: ${(cause as Error).message}`, { cause });
  }
  const owner = known ? ownerOf(join(named, "data")) : null;
  const user = serverUser(owner);
  let root = realpathSync(named);
  refuseForeign(root, owner);
  if (!userCan(user, "execute", join(root, "."))) {
    give(root, user);
    if (!userCan(user, "execute", join(root, "."))) root = elsewhere(named, root, user, say);
  }
  give(root, user);
  return { named, root, data: join(root, "data"), log: join(root, "postgres.log"), user };
}

function ownerOf(path: string): number | null {
  try {
    return statSync(path).uid;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new ClusterUnavailable(
      `The database folder ${path} belongs to another user (it was perhaps made by root). Start as that user, or choose another data folder.`,
      { cause: error },
    );
  }
}

function refuseForeign(root: string, owner: number | null): void {
  const own = process.getuid?.();
  const theirs = owner ?? statSync(root).uid;
  if (own === 0 || theirs === own) return;
  throw new ClusterUnavailable(
    `The database folder ${root} belongs to user id ${theirs}, this process to ${own}. Start as that user, or choose another data folder.`,
  );
}

/** The server's user cannot come to the place at all, e.g. below /root: the data goes where it can, with a link to it. */
function elsewhere(named: string, root: string, user: ServerUser, say: (line: string) => void): string {
  if (readdirSync(root).length > 0) {
    throw new ClusterUnavailable(
      `The database in ${root} belongs to ${user.name}, who cannot reach that folder. Move it to a place that everyone can pass, e.g. ${REACHABLE_FOLDER}.`,
    );
  }
  mkdirSync(REACHABLE_FOLDER, { recursive: true, mode: 0o755 });
  const place = mkdtempSync(join(REACHABLE_FOLDER, "data-"));
  give(place, user);
  if (!userCan(user, "write", place)) {
    rmdirSync(place);
    throw new ClusterUnavailable(
      `The user ${user.name} can reach neither ${root} nor ${REACHABLE_FOLDER}. Choose a data folder that it can reach.`,
    );
  }
  say(`PostgreSQL runs as ${user.name}, who cannot reach ${root}: its data is in ${place}`);
  if (lstatSync(named).isSymbolicLink()) rmSync(named);
  else rmdirSync(named);
  symlinkSync(place, named);
  return place;
}

/** Inside the folder when its path is short enough for a socket. Only for the holder of the claim. */
export function makeSocketFolder(place: ClusterFolder): string {
  const inside = join(place.root, "socket");
  if (Buffer.byteLength(inside) <= SOCKET_FOLDER_LIMIT) {
    mkdirSync(inside, { recursive: true });
    give(inside, place.user);
    return inside;
  }
  removeSocketLink(place); // of a start that was killed
  // A new one each time: a fixed name in /tmp could be another user's trap. The link tells where it is.
  const outside = mkdtempSync("/tmp/doppel-");
  give(outside, place.user);
  symlinkSync(outside, inside);
  return outside;
}

/** Removes the socket's folder when it is not inside the cluster's. */
export function removeSocketLink(place: ClusterFolder): void {
  const link = join(place.root, "socket");
  if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  rmSync(readlinkSync(link), { recursive: true, force: true });
  unlinkSync(link);
}

/** The log would grow for ever; what it says is about the present. */
export function trimLog(place: ClusterFolder): void {
  if (existsSync(place.log) && statSync(place.log).size > LOG_LIMIT_BYTES) truncateSync(place.log);
}

function give(path: string, user: ServerUser): void {
  chmodSync(path, 0o700);
  if ("uid" in user.switch) chownSync(path, user.switch.uid as number, user.switch.gid as number);
}
