/** The README's examples, as they stand there, on a running system: only its ports are put in. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Doppel, eventually, startDoppel } from "../test/harness.ts";

const root = join(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const run = promisify(execFile);

let doppel: Doppel;
let folder: string;
beforeAll(async () => {
  doppel = await startDoppel();
  // Within the repository, so that the examples find its libraries as theirs.
  mkdirSync(join(root, "test", "output"), { recursive: true });
  folder = mkdtempSync(join(root, "test", "output", "readme-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await doppel.close();
});

test("MQTT.js: it measures, obeys and carries out, as the commands for apps say", async () => {
  const { said } = start("pump-2.mjs");
  await eventually(() => expect(said()).toContain("message 1 is durable"));
  await eventually(() => doppel.call("GET", "/v1/query?device_id=pump-2&metric=temperature")); // history is a moment behind
  const live = start("live.mjs");
  const answers: unknown[] = [];
  for (const command of block("Talk to it as an app", "sh").matchAll(/curl [\s\S]*?(?=\n(?:#|curl|\n|$))/g))
    answers.push(await curl(command[0]));
  expect(answers).toHaveLength(8);
  expect(answers[0]).toMatchObject({ id: "pump-2", status: "online", latest: { temperature: { value: 21.5 } } });
  expect(answers[5]).toMatch(/^device_id,metric,/);
  expect(answers[2]).toMatchObject({ name: "reboot", state: expect.stringMatching(/^(sent|succeeded)$/) });
  await eventually(async () => {
    const { shadows, commands } = await doppel.call("GET", "/v1/devices/pump-2");
    expect(shadows[""].state).toEqual({ desired: { mode: "eco" }, reported: { mode: "eco" } });
    expect(commands).toMatchObject([{ name: "reboot", state: "succeeded", result: { did: "reboot" } }]);
  });
  await eventually(() => {
    expect(live.said()).toContain('"type":"telemetry"');
    expect(live.said()).toContain('"type":"stats"');
  });
});

test("AWS IoT Device SDK v2: it reports, and obeys what is desired", async () => {
  const { said } = start("pump-4.mjs");
  await eventually(() => expect(said()).toContain("reported, version 1"));
  await doppel.call("PATCH", "/v1/devices/pump-4/shadow", { state: { desired: { mode: "eco" } } });
  await eventually(() => expect(said()).toContain("obeyed { mode: 'eco' }"));
  await eventually(async () => {
    const { state } = await doppel.call("GET", "/v1/devices/pump-4/shadow");
    expect(state).toEqual({ desired: { mode: "eco" }, reported: { mode: "eco" } });
  });
});

const mosquitto = await run("mosquitto_pub", ["--help"]).then(
  () => true,
  (error: { code?: unknown }) => error.code !== "ENOENT",
);
if (!mosquitto && process.env.CI) throw new Error("mosquitto_pub is not there. Install mosquitto-clients.");
if (!mosquitto) console.warn("SKIPPED: the README's mosquitto_pub needs Debian's package mosquitto-clients.");

test.skipIf(!mosquitto)("mosquitto_pub: its message makes a twin", async () => {
  await run("sh", ["-c", here(block("mosquitto_pub", "sh"))]);
  expect(await doppel.call("GET", "/v1/devices/pump-1")).toMatchObject({ latest: { temperature: { value: 21.5 } } });
});

/** The code under a heading of the README. */
function block(heading: string, language: string): string {
  const from = readme.indexOf(`# ${heading}\n`);
  const found = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "m").exec(readme.slice(from));
  if (from < 0 || found === null) throw new Error(`The README has no ${language} under "${heading}".`);
  return found[1]!;
}

function here(code: string): string {
  return code
    .replaceAll("-p 1883", `-p ${doppel.mqttPort}`)
    .replaceAll("port: 1883", `port: ${doppel.mqttPort}`)
    .replaceAll("127.0.0.1:1883", `127.0.0.1:${doppel.mqttPort}`)
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${new URL(doppel.httpUrl).port}`);
}

/** Runs the example that begins with its file's name; it is ended with the test. */
function start(name: string): { readonly said: () => string } {
  const code = new RegExp(`^// ${name}\\n[\\s\\S]*?(?=^\`\`\`)`, "m").exec(readme)?.[0];
  if (code === undefined) throw new Error(`The README has no ${name}.`);
  writeFileSync(join(folder, name), here(code));
  const child: ChildProcess = spawn(process.execPath, [join(folder, name)], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      said += chunk;
    });
  }
  onTestFinished(async () => {
    const ended = child.exitCode === null ? new Promise((resolve) => child.once("exit", resolve)) : null;
    child.kill("SIGKILL");
    await ended;
  });
  return { said: () => said };
}

/** What the command would ask for, without needing curl here. */
async function curl(command: string): Promise<unknown> {
  const url = /https?:\/\/[^\s']+/.exec(command)![0];
  const method = /-X (\w+)/.exec(command)?.[1] ?? "GET";
  const header = /-H '([^:]+): ([^']+)'/.exec(command);
  const body = /-d '([^']*)'/.exec(command)?.[1];
  const response = await fetch(here(url), {
    method,
    ...(header === null ? {} : { headers: { [header[1]!]: header[2]! } }),
    ...(body === undefined ? {} : { body }),
  });
  if (!response.ok) throw new Error(`${command}\nanswered ${response.status}: ${await response.text()}`);
  return response.headers.get("content-type")?.includes("json") ? response.json() : response.text();
}
