/** As whom PostgreSQL runs. It refuses to run as root, so root starts it as another user. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { ClusterUnavailable } from "./errors.ts";

/** `switch` is what spawn needs to become that user; empty when we are that user. */
export type ServerUser = { name: string; switch: { uid: number; gid: number } | Record<string, never> };

/** In this order: PostgreSQL's usual user, else the one that owns nothing. */
const PREFERRED_USERS = ["postgres", "nobody"];

/** @param owner user id that owns the data already, null when there is none yet */
export function serverUser(owner: number | null): ServerUser {
  const own = process.getuid?.();
  if (own === undefined) {
    throw new ClusterUnavailable(
      `The embedded PostgreSQL needs Linux or macOS, this is ${process.platform}. Set DATABASE_URL to a PostgreSQL of your own.`,
    );
  }
  if (own !== 0) return { name: `user ${own}`, switch: {} };
  const users = accounts();
  const user =
    owner !== null && owner !== 0
      ? users.find((one) => one.uid === owner)
      : PREFERRED_USERS.map((name) => users.find((one) => one.name === name)).find((one) => one !== undefined);
  if (user === undefined) {
    throw new ClusterUnavailable(
      owner !== null && owner !== 0
        ? `The database belongs to user id ${owner}, which this machine does not have. Change its owner to an existing user, not root.`
        : "PostgreSQL must not run as root, and this machine has no user postgres or nobody. Add one, or start as an ordinary user.",
    );
  }
  return { name: user.name, switch: { uid: user.uid, gid: user.gid } };
}

/** Asks as that user, since the answer depends on every folder on the way. */
export function userCan(user: ServerUser, what: "execute" | "read" | "write", path: string): boolean {
  const flag = { execute: "-x", read: "-r", write: "-w" }[what];
  const asked = spawnSync("/bin/sh", ["-c", `test ${flag} "$1"`, "sh", path], {
    cwd: "/",
    stdio: "ignore",
    ...user.switch,
  });
  if (asked.error !== undefined) {
    throw new ClusterUnavailable(`PostgreSQL cannot be started as ${user.name}: ${asked.error.message}`, {
      cause: asked.error,
    });
  }
  return asked.status === 0;
}

function accounts(): { name: string; uid: number; gid: number }[] {
  return readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .filter((line) => /^[^#:]+:[^:]*:\d+:\d+:/.test(line))
    .map((line) => {
      const [name = "", , uid, gid] = line.split(":");
      return { name, uid: Number(uid), gid: Number(gid) };
    });
}
