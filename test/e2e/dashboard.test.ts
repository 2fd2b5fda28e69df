/**
 * The built dashboard in a real browser on the real system, with a simulated device. Needs Chromium (Debian's package,
 * or CHROMIUM=/path): skipped without it, and failed in CI. `npm test` has built web/dist before.
 */
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DeviceSimulation } from "../../simulator/device.ts";
import { simulatedFleet } from "../../simulator/fleet.ts";
import { newTally } from "../../simulator/tally.ts";
import { type Doppel, mode, startDoppel } from "../harness.ts";

const chromiumPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const there = existsSync(chromiumPath);
if (!there) {
  if (process.env.CI) throw new Error(`${chromiumPath} is not there. Install Chromium or set CHROMIUM to its path.`);
  console.warn(`SKIPPED: the dashboard's tests need Chromium at ${chromiumPath} (or set CHROMIUM).`);
}

const hosts = ["actors-1", "actors-2", "actors-3"];

describe.skipIf(!there)("the dashboard", { timeout: 60_000 }, () => {
  let doppel: Doppel;
  let browser: Browser;
  let page: Page;
  const failures: string[] = [];

  beforeAll(async () => {
    doppel = await startDoppel();
    const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
    browser = await chromium.launch({ executablePath: chromiumPath, args });
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(30_000);
    page.on("pageerror", (error) => failures.push(error.message));
  });
  afterAll(async () => {
    await browser?.close();
    await doppel?.close();
  });

  test("shows a device that comes online, follows a desired change back to reported, and draws its chart", async () => {
    await page.goto(`${doppel.httpUrl}/devices`);
    const [device] = simulatedFleet(1, "boiler-", 3, 0, Date.now());
    const misbehaviour = { duplicates: 0, bad: 0, losses: 0 };
    const options = { url: doppel.mqttUrl, token: undefined, intervalMs: 300, seed: 3, misbehaviour };
    const simulation = new DeviceSimulation(device!, options, newTally());
    simulation.start();
    try {
      await page.getByRole("link", { name: device!.id }).click();
      const head = page.getByRole("region", { name: "Device" });
      await head.getByText("Online", { exact: true }).waitFor();

      const shadow = page.getByRole("region", { name: "Shadow" });
      await shadow.getByRole("row", { name: /unit/ }).getByText('"C"').waitFor();
      await doppel.call("PATCH", `/v1/devices/${device!.id}/shadow`, { state: { desired: { unit: "F" } } });
      const unit = shadow.getByRole("row", { name: /unit/ }).getByRole("cell");
      await expect.poll(() => unit.allInnerTexts(), { timeout: 30_000 }).toEqual(['"F"', '"F"', ""]);
      await shadow.getByText("In step").waitFor();

      const chart = page.locator(".chart canvas").first();
      await chart.waitFor();
      await expect.poll(() => inkOn(page), { timeout: 30_000 }).toBeGreaterThan(200);
      expect(failures).toEqual([]);
    } finally {
      await simulation.stop();
    }
  });

  test("shows the fleet and the processes that carry it", async () => {
    for (const id of ["lathe-1", "lathe-2"]) await doppel.device(id);
    await page.goto(`${doppel.httpUrl}/devices`);
    for (const id of ["lathe-1", "lathe-2"]) await page.getByRole("link", { name: id }).waitFor();
    await page.goto(`${doppel.httpUrl}/cluster`);
    await page.getByRole("heading", { name: "Cluster", exact: true }).waitFor();
    const carriers = mode === "embedded" ? ["Embedded: everything runs"] : ["Distributed over 7 processes", ...hosts];
    for (const text of carriers) await page.getByText(text).first().waitFor();
    expect(failures).toEqual([]);
  });
});

/** How many pixels of the chart are drawn. */
function inkOn(page: Page): Promise<number> {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>(".chart canvas")!;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    let ink = 0;
    for (let at = 3; at < data.length; at += 4) if (data[at]! > 128) ink += 1;
    return ink;
  });
}
