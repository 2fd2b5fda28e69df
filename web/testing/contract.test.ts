/**
 * Holds web/src/contract.ts, by which the dashboard reads answers, to what the API says that it answers: the OpenAPI
 * document, whose schemas the compiler holds the API's answers to, written as types that have to fit the contract's.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { openTestApi } from "../../apis/testing.ts";
import { answerType, type Description, declarations } from "./openapi-types.ts";

/** What `api` in web/src/api.ts reads, and as what. */
const answers: [method: string, path: string, type: string][] = [
  ["get", "/v1/stats", "Stats"],
  ["get", "/v1/cluster", "Cluster"],
  ["get", "/v1/map", "{ devices: MapPoint[] }"],
  ["get", "/v1/devices", "DevicePage"],
  ["post", "/v1/devices", "Device"],
  ["get", "/v1/devices/{id}", "DeviceDetail"],
  ["patch", "/v1/devices/{id}", "Device"],
  ["get", "/v1/devices/{id}/shadow", "ShadowView"],
  ["get", "/v1/devices/{id}/telemetry", "History"],
  ["get", "/v1/devices/{id}/commands", "Page<Command>"],
  ["post", "/v1/devices/{id}/commands", "Command"],
  ["get", "/v1/devices/{id}/events", "Page<DeviceEvent>"],
  ["get", "/v1/events", "Page<DeviceEvent>"],
  ["get", "/v1/query", "QueryAnswer"],
  ["get", "/v1/exports", "Page<Export>"],
  ["post", "/v1/exports", "Export"],
  ["get", "/v1/quality", "QualityReport"],
  ["get", "/v1/device-types/{type}/quality", "TypeQuality"],
  ["put", "/v1/device-types/{type}/quality", "TypeQuality"],
  ["get", "/v1/dead-letters", "Page<DeadLetter>"],
  ["get", "/v1/dead-letters/{id}", "DeadLetter"],
  ["post", "/v1/dead-letters/resend", "SentAgainEach"],
];

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What the compiler says of the API's answers and live messages read by the dashboard's contract; "" if they fit. */
async function misfits(description: Description): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "doppel-contract-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const reads = answers.map(([method, path, type], at) => {
    const read = type.replace(/\b[A-Z]\w+/g, (name) => `contract.${name}`);
    return `declare const from${at}: ${answerType(description, method, path)};
export const read${at}: ${read} = from${at}; // ${method} ${path} as ${type}`;
  });
  const source = `import type * as contract from ${JSON.stringify(join(root, "web/src/contract.ts"))};
import type * as live from ${JSON.stringify(join(root, "apis/live-messages.ts"))};
${declarations(description)}
${reads.join("\n")}
declare const message: live.LiveMessage;
export const heard: contract.LiveMessage = message;
`;
  await writeFile(join(folder, "answers.mts"), source);
  const settings = {
    extends: join(root, "tsconfig.json"),
    include: ["answers.mts"],
    compilerOptions: { typeRoots: [join(root, "node_modules/@types")] },
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(settings));
  return new Promise((resolve) =>
    execFile(join(root, "node_modules/.bin/tsc"), ["--noEmit", "-p", folder], (failed, said) => {
      const lines = source.split("\n");
      const told = said.replace(/^.*answers\.mts\((\d+),\d+\)/gm, (_, line) => lines[Number(line) - 1] ?? "");
      resolve(failed === null ? "" : told || String(failed));
    }),
  );
}

async function described(): Promise<Description> {
  const api = await openTestApi();
  onTestFinished(() => api.close());
  return (await api.json("GET", "/openapi.json")).body;
}

test("what the API answers is what the dashboard reads", { timeout: 120_000 }, async () => {
  expect(await misfits(await described())).toBe("");
});

test("fields that the API would call otherwise are noticed, each of them", { timeout: 120_000 }, async () => {
  const description = await described();
  const renamed = {
    ...{ QueriedIntervals: "interval_seconds", Quality: "totals", DeadLetter: "sendable", Export: "runs" },
    ...{
      DeviceTypeQuality: "effective",
      Device: "lastSeen",
      Event: "at",
      Stats: "messagesPerSecond",
      Member: "seenAt",
    },
  };
  for (const [name, field] of Object.entries(renamed)) {
    const schema = description.components.schemas[name]!;
    const { [field]: was, ...properties } = schema.properties!;
    schema.properties = { ...properties, [`${field}2`]: was! };
    schema.required = schema.required!.map((one) => (one === field ? `${field}2` : one));
  }
  const told = await misfits(description);
  for (const field of Object.values(renamed)) expect(told).toContain(`'${field}'`);
});
