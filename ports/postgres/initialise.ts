/** Makes the data folder, once: in a folder of its own that gets its name when it is whole (K3 of cluster.ts). */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DATABASE } from "./cluster.ts";
import { ClusterUnavailable } from "./errors.ts";
import type { ClusterFolder } from "./folder.ts";
import { isAlive } from "./processes.ts";

export async function initialise(
  place: ClusterFolder,
  bin: string,
  options: { durable: boolean; say: (line: string) => void },
): Promise<void> {
  for (const name of readdirSync(place.root)) {
    const maker = /^init-(\d+)$/.exec(name)?.[1];
    if (maker !== undefined && !isAlive(Number(maker)))
      rmSync(join(place.root, name), { recursive: true, force: true, maxRetries: 5 });
  }
  if (existsSync(place.data)) return;
  options.say(`Making the database in ${place.root}`);
  const unfinished = join(place.root, `init-${process.pid}`);
  rmSync(unfinished, { recursive: true, force: true });
  // The builtin C.UTF-8 sorts by code point as C does, but knows upper and lower case beyond ASCII; it needs no locale of the system.
  const words = await run(join(bin, "initdb"), place, [
    ...["-D", unfinished, "-U", DATABASE, "--auth=trust", "--encoding=UTF8", "--locale=C"],
    ...["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"],
    ...(options.durable ? [] : ["--no-sync"]),
  ]);
  if (words !== null) {
    rmSync(unfinished, { recursive: true, force: true });
    throw new ClusterUnavailable(`The database in ${place.root} could not be made. initdb said:\n${words}`);
  }
  renameSync(unfinished, place.data);
}

/** What it said when it failed, null when it succeeded. Trust is safe: the socket's folder is the owner's alone. */
function run(program: string, place: ClusterFolder, args: string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: "/",
      env: { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe"],
      ...place.user.switch,
    });
    let words = "";
    child.stdout.on("data", (chunk: Buffer) => {
      words += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      words += chunk.toString();
    });
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code) => resolve(code === 0 ? null : words.trim().split("\n").slice(-8).join("\n")));
  });
}
