/**
 * `node scripts/pictures.ts`: the pictures of the README, taken of a Doppel of its own with a demo fleet, on free ports
 * and a folder that is removed afterwards. Needs Chromium (Debian's package `chromium`, or CHROMIUM=/path/to/it).
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Browser, chromium } from "playwright-core";
import { simulatedFleet } from "../simulator/fleet.ts";
import { seeded } from "../simulator/random.ts";
import { readingsAt } from "../simulator/signals.ts";

/** How long the demo fleet measures before the first picture: the charts and the map have something to show then. */
const settleMs = 75_000;
const devices = 300;
const root = join(import.meta.dirname, "..");
const pictures = join(root, "docs", "pictures");
/** As the demo makes it: the first device that measures a climate and does not sleep. */
const shown = simulatedFleet(devices, "demo-", 1, 0.1, Date.now()).find(
  ({ profile, sleeper }) => profile.kind === "climate" && !sleeper,
)!;

const folder = mkdtempSync(join(tmpdir(), "doppel-pictures-"));
spawnSync(process.execPath, [join(root, "scripts", "prepare.mjs"), "start"], { stdio: "inherit" });
const doppel = spawn(
  process.execPath,
  [
    join(root, "start.ts"),
    "--demo",
    `--demo-devices=${devices}`,
    "--mqtt-port",
    "0",
    "--mqtt-ws-port",
    "0",
    "--http-port",
    "0",
  ],
  { env: { ...process.env, DOPPEL_DATA_DIR: folder, DOPPEL_LOG_LEVEL: "warn" }, stdio: ["ignore", "pipe", "inherit"] },
);
try {
  const url = await dashboardOf(doppel);
  process.stdout.write(`${url}: waiting ${settleMs / 1_000} s for the demo fleet …\n`);
  await tellDevice(url);
  await recallHour(url);
  await delay(settleMs);
  const args = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
  try {
    mkdirSync(pictures, { recursive: true });
    await take(browser, { name: "dashboard-light", url, colours: "light" });
    await take(browser, { name: "dashboard-dark", url, colours: "dark" });
    await take(browser, {
      name: "device",
      url: `${url}devices/${shown.id}`,
      colours: "light",
      height: 1_240,
      press: /^temperature/,
    });
    await take(browser, { name: "phone", url, colours: "light", width: 390, height: 844, density: 2 });
  } finally {
    await browser.close();
  }
} finally {
  if (doppel.exitCode === null) {
    doppel.kill("SIGTERM");
    await once(doppel, "exit");
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Where the process says that its dashboard is. */
function dashboardOf(process: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    process.stdout?.on("data", (chunk) => {
      said += chunk;
      const found = /Dashboard\s+(http:\S+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    process.once("exit", () => reject(new Error(`Doppel ended before it was up. It said:\n${said}`)));
  });
}

/** Something to see on the device's page: a desired state that it follows, and commands. */
async function tellDevice(url: string): Promise<void> {
  await delay(5_000);
  const desired = { unit: "C", alarm: { above: 30, below: 5 } };
  await send("PATCH", `${url}v1/devices/${shown.id}/shadow`, { state: { desired } });
  await send("POST", `${url}v1/devices/${shown.id}/commands`, { name: "config", parameters: { ledBrightness: 40 } });
  await send("POST", `${url}v1/devices/${shown.id}/commands`, { name: "selftest" });
}

/** The hour before the start, as the device would have measured it: it comes late, as from a device with a memory. */
async function recallHour(url: string): Promise<void> {
  const random = seeded(1, "recall");
  const now = Date.now();
  const messages = Array.from({ length: 720 }, (_, index) => {
    const ts = now - 3_600_000 + index * 5_000;
    return { ts, readings: readingsAt(shown.profile, { unit: "C" }, ts, random) };
  });
  await send("POST", `${url}v1/devices/${shown.id}/telemetry`, messages);
}

async function send(method: string, url: string, body: unknown): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method, headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${await response.text()}`);
}

type Picture = {
  readonly name: string;
  readonly url: string;
  readonly colours: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
  readonly density?: number;
  /** A button to press first. */
  readonly press?: RegExp;
};

async function take(browser: Browser, picture: Picture): Promise<void> {
  const { name, url, colours, width = 1_280, height = 860, density = 1 } = picture;
  const context = await browser.newContext({
    viewport: { width, height },
    deviceScaleFactor: density,
    colorScheme: colours,
    reducedMotion: "reduce",
    locale: "en-GB",
  });
  const page = await context.newPage();
  await page.goto(url, { waitUntil: "load" });
  await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
  if (picture.press !== undefined) await page.getByRole("button", { name: picture.press }).click();
  await delay(15_000); // live messages come in, the charts are drawn
  const path = join(pictures, `${name}.png`);
  await page.screenshot({ path });
  await context.close();
  process.stdout.write(`${path}\n`);
}
