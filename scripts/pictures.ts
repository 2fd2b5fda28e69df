/**
 * `node scripts/pictures.ts [name …]`: the pictures of the README, taken of a Doppel of its own with a demo fleet, on free ports
 * and a folder that is removed afterwards. Needs Chromium (Debian's package `chromium`, or CHROMIUM=/path/to/it).
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Browser, chromium } from "playwright-core";
import { type SimulatedDevice, simulatedFleet } from "../simulator/fleet.ts";
import { seeded } from "../simulator/random.ts";
import { readingsAt } from "../simulator/signals.ts";

/** How long the demo fleet measures before the first picture: the charts and the map have something to show then. */
const settleMs = 75_000;
const devices = 300;
/** The page of quality shows what came since then: it is taken last, when there is a chart of it. */
const qualityMs = 480_000;
const hourMs = 3_600_000;
const root = join(import.meta.dirname, "..");
const pictures = join(root, "docs", "pictures");
/** Those to take; all of them where none is named. */
const named = process.argv.slice(2);
/** As the demo makes them: the first devices that measure a climate and do not sleep. */
const [shown, other] = simulatedFleet(devices, "demo-", 1, 0.1, Date.now()).filter(
  ({ profile, sleeper }) => profile.kind === "climate" && !sleeper,
) as [SimulatedDevice, SimulatedDevice];

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
  await recallDay(url);
  const recalledMs = Date.now();
  const misbehaving = setInterval(() => misbehave(url), 9_000);
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
    const both = `device=${shown.id}&device=${other.id}&metric=temperature&metric=humidity`;
    await take(browser, {
      name: "history",
      url: `${url}history?${both}`,
      colours: "light",
      height: 1_090,
      point: 0.47,
    });
    await take(browser, { name: "phone", url, colours: "light", width: 390, height: 844, density: 2 });
    if (isWanted("quality")) await delay(Math.max(0, recalledMs + qualityMs - Date.now()));
    const from = new Date(recalledMs + 60_000).toISOString();
    const quality = `${url}quality?from=${from}&to=${new Date().toISOString()}`;
    await take(browser, { name: "quality", url: quality, colours: "dark", height: 1_120 });
  } finally {
    clearInterval(misbehaving);
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

/**
 * The day before the start, as the devices would have measured it: it comes late, as from devices with a memory. One was
 * silent for a while, and a few readings cannot be true.
 */
async function recallDay(url: string): Promise<void> {
  const now = Date.now();
  for (const [at, device] of [shown, other].entries()) {
    const random = seeded(1, `recall ${device.id}`);
    const messages = Array.from({ length: 8_640 }, (_, index) => {
      const ts = now - 24 * hourMs + index * 10_000;
      const readings = readingsAt(device.profile, { unit: "C" }, ts, random);
      return { ts, readings: index % 2_600 === 1_900 + at * 400 ? { ...readings, humidity: 104 } : readings };
    }).filter(({ ts }) => at === 0 || ts < now - 9 * hourMs || ts > now - 7 * hourMs);
    for (let from = 0; from < messages.length; from += 500)
      await send("POST", `${url}v1/devices/${device.id}/telemetry`, messages.slice(from, from + 500));
  }
}

/** Something for the page of quality: air that holds more water than it can, and a place that is none. */
function misbehave(url: string): void {
  const readings = Math.random() < 0.6 ? { humidity: 104 } : { temperature: 21, latitude: 152.52 };
  send("POST", `${url}v1/devices/${other.id}/telemetry`, { readings }).catch(() => {}); // a picture more or less
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
  /** Where along the first chart the pointer rests, 0 to 1. */
  readonly point?: number;
};

function isWanted(name: string): boolean {
  return named.length === 0 || named.includes(name);
}

async function take(browser: Browser, picture: Picture): Promise<void> {
  if (!isWanted(picture.name)) return;
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
  if (picture.point !== undefined) {
    const plot = (await page.locator(".u-over").first().boundingBox())!;
    await page.mouse.move(plot.x + plot.width * picture.point, plot.y + plot.height / 3);
    await delay(300);
  }
  const path = join(pictures, `${name}.png`);
  await page.screenshot({ path });
  await context.close();
  process.stdout.write(`${path}\n`);
}
