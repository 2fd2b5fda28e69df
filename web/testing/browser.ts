import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { startFake } from "./fake-server.ts";

/**
 * The built dashboard in a real browser, over a server that speaks the contract. Needs Chromium (Debian's package
 * `chromium`, or CHROMIUM=/path/to/it); without it these tests are skipped, and in CI they fail.
 */
const chromiumPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** For `describe.skipIf(!chromiumIsHere)`. */
export const chromiumIsHere = existsSync(chromiumPath);
if (!chromiumIsHere) {
  if (process.env.CI) throw new Error(`${chromiumPath} is not there. Install Chromium or set CHROMIUM to its path.`);
  console.warn(`SKIPPED: the dashboard's browser tests need Chromium at ${chromiumPath} (or set CHROMIUM).`);
}

/** Within a `describe`: builds the dashboard and starts the browser for its tests. Gives what opens a page of it. */
export function dashboardInBrowser() {
  let browser: Browser;
  let built: string;

  beforeAll(async () => {
    built = await mkdtemp(join(tmpdir(), "doppel-web-"));
    const configFile = fileURLToPath(new URL("../vite.config.ts", import.meta.url));
    await build({ configFile, logLevel: "error", build: { outDir: built } });
    const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];
    browser = await chromium.launch({ executablePath: chromiumPath, args });
  });
  afterAll(async () => {
    await browser?.close();
    await rm(built, { recursive: true, force: true });
  });

  async function open(
    path: string,
    options: { devices?: number; apiKey?: string; width?: number; members?: number } = {},
  ) {
    const { devices = 200, width = 1280, ...rest } = options;
    const fake = await startFake({ devices, built, calm: true, ...rest });
    const context = await browser.newContext({ viewport: { width, height: 800 }, reducedMotion: "reduce" });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const failures: string[] = [];
    page.on("pageerror", (error) => failures.push(error.message));
    onTestFinished(async () => {
      await context.close();
      await fake.close();
      expect(failures).toEqual([]);
    });
    await page.goto(fake.url + path);
    return { page, fake, device: fake.devices.find(({ status }) => status === "online")! };
  }

  return open;
}

/** Whether the chart's canvas holds more than its background. */
export function inked(page: Page): Promise<boolean> {
  return page
    .locator(".chart canvas")
    .first()
    .evaluate((canvas: HTMLCanvasElement) => {
      const pixels = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
      return pixels.some((value) => value > 0);
    });
}
