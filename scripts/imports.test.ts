import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const refused: [file: string, imports: string][] = [
  ["core/device/twin.ts", "../../ports/twin-store/port.ts"],
  ["core/clock.ts", "../ports/postgres/pool.ts"],
  ["core/device/twin.ts", "node:fs"],
  ["core/device/twin.ts", "pg"],
  ["core/device/twin.ts", "../../config.ts"],
  ["core/twin.ts", "../run.ts"],
  ["core/device/twin.ts", "../../start-embedded.ts"],
  ["ports/twin-store/postgres.ts", "../../actors/host/port.ts"],
  ["ports/twin-store/postgres.ts", "../../sinks/start.ts"],
  ["ports/logger/pino.ts", "../../config.ts"],
  ["ports/logger/pino.ts", "../../start-embedded.ts"],
  ["actors/host/embedded.ts", "../../gateways/mqtt/broker-port.ts"],
  ["actors/host/embedded.ts", "../../apis/server.ts"],
  ["gateways/mqtt/listener/listener.ts", "../../../apis/server.ts"],
  ["actors/run.ts", "../start-embedded.ts"],
  ["gateways/mqtt/meter.ts", "../../run.ts"],
  ["gateways/mqtt/listener/listener.ts", "../../../start-embedded.ts"],
  ["sinks/start.ts", "../actors/host/port.ts"],
  ["sinks/timeseries/fold.ts", "../../gateways/mqtt/meter.ts"],
  ["sinks/run.ts", "../start-embedded.ts"],
  ["apis/server.ts", "../start-embedded.ts"],
  ["apis/server.ts", "../sinks/start.ts"],
  ["apis/server.ts", "../config.ts"],
  ["web/src/pages/device.tsx", "../../../apis/server.ts"],
  ["web/src/app.tsx", "node:fs"],
  ["web/src/app.tsx", "../../start-embedded.ts"],
];
const allowed: [file: string, imports: string][] = [
  ["core/device/twin.ts", "../json.ts"],
  ["core/device/twin.ts", "./presence.ts"],
  ["core/device/presence.ts", "xstate"],
  ["core/device/presence.test.ts", "xstate/graph"],
  ["core/device/presence.test.ts", "fast-check"],
  ["core/device/presence.test.ts", "vitest"],
  ["ports/twin-store/postgres.ts", "../../core/device/twin.ts"],
  ["ports/twin-store/postgres.ts", "../postgres/pool.ts"],
  ["ports/twin-store/postgres.ts", "pg"],
  ["actors/host/embedded.ts", "../../ports/twin-store/port.ts"],
  ["gateways/mqtt/device-application.ts", "../../actors/host/port.ts"],
  ["gateways/mqtt/device-application.ts", "node:net"],
  ["sinks/worker.ts", "./start.ts"],
  ["apis/server.ts", "../actors/host/port.ts"],
  ["web/src/pages/device.tsx", "../../../core/json.ts"],
  ["run.ts", "./apis/server.ts"],
];

test("the linter refuses imports that point outwards, and only those", () => {
  const cases = [...refused, ...allowed];
  const tree = mkdtempSync(join(tmpdir(), "doppel-imports-"));
  onTestFinished(() => rmSync(tree, { recursive: true, force: true }));
  const rules = JSON.parse(readFileSync(new URL("../biome.json", import.meta.url), "utf8"));
  delete rules.$schema;
  writeFileSync(join(tree, "biome.json"), JSON.stringify({ ...rules, vcs: { enabled: false } }));
  // One file a case, whose name tells which.
  const planted = cases.map(([file, imports], index) => {
    const path = file.replace(/(\.test)?\.tsx?$/, (ending) => `-${index}${ending}`);
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), `import { thing } from "${imports}";\n\nthing();\n`);
    return path;
  });
  const biome = fileURLToPath(new URL("../node_modules/.bin/biome", import.meta.url));
  const { stdout, stderr } = spawnSync(biome, ["lint", "--reporter=github", "--max-diagnostics=200", "."], {
    cwd: tree,
    encoding: "utf8",
  });
  const found = cases.filter((_, index) =>
    `${stdout}${stderr}`
      .split("\n")
      .some((line) => line.includes("noRestrictedImports") && line.includes(planted[index]!)),
  );
  expect(found).toEqual(refused);
});
