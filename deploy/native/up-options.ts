import { oneOf, text, whole, yesOrNo } from "../../option-values.ts";
import { asksForHelp, type ConfigOf, type Env, option, optionLines, readOptions } from "../../options.ts";
import { defaultCounts } from "../topology.ts";
import { defaultFolder } from "./state-file.ts";

export type UpOptions = Omit<ConfigOf<typeof table>, "brokers"> & {
  readonly brokers: 1 | 3;
  /** Started by `--detach`. */
  readonly detached: boolean;
};

const table = {
  folder: option("DOPPEL_NATIVE_FOLDER", defaultFolder, text, "for data, logs and state", {
    defaultIs: ".doppel/native beside the code",
  }),
  actors: option("DOPPEL_NATIVE_ACTORS", String(defaultCounts.actors), whole(1, 99), "hosts of twins"),
  gateways: option("DOPPEL_NATIVE_GATEWAYS", String(defaultCounts.gateways), whole(1, 99), "gateways"),
  brokers: option("DOPPEL_NATIVE_BROKERS", "1", oneOf("1", "3"), "Kafka brokers; fixed by the first start"),
  ports: option(
    "DOPPEL_NATIVE_PORTS",
    "default",
    oneOf("default", "free"),
    "default: the usual ones where they are free; free: any",
  ),
  detach: option("DOPPEL_NATIVE_DETACH", "no", yesOrNo, "goes on in the background when everything is up", {
    switch: true,
  }),
};

export function readUpOptions(
  env: Env,
  argv: readonly string[],
):
  | { readonly kind: "options"; readonly options: UpOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "problems"; readonly problems: readonly string[] } {
  if (asksForHelp(argv)) return { kind: "help", text: upHelp() };
  const detached = argv.includes("--detached");
  const { values, problems } = readOptions(
    table,
    env,
    argv.filter((argument) => argument !== "--detached"),
  );
  if (problems.length > 0) return { kind: "problems", problems };
  const read = values as ConfigOf<typeof table>;
  const brokers = read.brokers === "3" ? 3 : 1;
  return { kind: "options", options: { ...read, brokers, detach: read.detach && !detached, detached } };
}

function upHelp(): string {
  return [
    "npm run up:native -- [options]",
    "",
    "Runs the distributed Doppel on this machine without containers. It needs Go, Java with Maven, redis-server and",
    "mosquitto; see deploy/README.md. What the roles read (docs/operations.md) is passed on to them, e.g.",
    "DOPPEL_SILENCE_SECONDS=20 npm run up:native.",
    "",
    ...optionLines(table),
    "",
    "To steer it while it runs: npm run native",
    "",
  ].join("\n");
}
