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

const built = existsSync(new URL("../../web/dist/index.html", import.meta.url));

const hosts = ["actors-1", "actors-2", "actors-3"];

describe.skipIf(!there)("the dashboard", { timeout: 60_000 }, () => {
  let doppel: Doppel;
  let browser: Browser;
  let page: Page;
  const failures: string[] = [];

  beforeAll(async () => {
    if (!built)
      throw new Error("web/dist is not built. Run the tests by npm test, or node scripts/prepare.mjs test before.");
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

  test("shows two devices' history with its gap and its flags, near and far", async () => {
    const nowMs = Date.now();
    const startMs = nowMs - 3_600_000;
    for (const [at, id] of ["kiln-1", "kiln-2"].entries()) {
      // Every 2 s for an hour, silent for ten minutes in the middle; one reading is too hot for the default rules.
      const messages = Array.from({ length: 1_800 }, (_, seq) => ({
        ts: startMs + seq * 2_000,
        readings: { temperature: seq === 1_500 ? 131.5 : 20 + at * 5 + Math.sin(seq / 60) },
      })).filter(({ ts }) => ts < startMs + 1_500_000 || ts >= startMs + 2_100_000);
      for (let from = 0; from < messages.length; from += 500)
        await doppel.call("POST", `/v1/devices/${id}/telemetry`, messages.slice(from, from + 500));
    }
    await page.goto(`${doppel.httpUrl}/history?device=kiln-1&device=kiln-2&metric=temperature&last=2h`);
    const legend = page.getByRole("table", { name: /^temperature/ });
    for (const id of ["kiln-1", "kiln-2"]) {
      const row = legend.getByRole("row").filter({ hasText: id });
      // Rows come within a second or so, in steps: the page asks again by itself.
      await row.getByRole("cell", { name: "1,500", exact: true }).waitFor();
      await row.getByRole("cell", { name: /^1 \(/ }).waitFor();
      // Up to two intervals shorter than the silence: they do not begin where it does.
      await row.getByRole("cell", { name: /^1, (9\.\d|10) minutes$/ }).waitFor();
    }
    await page.getByText(/averages with lowest and highest · 2 hours · 2 series/).waitFor();
    await expect.poll(() => inkOn(page), { timeout: 30_000 }).toBeGreaterThan(200);

    // The minute around the flagged reading: single readings, and the rule's name.
    const [from, to] = [startMs + 2_970_000, startMs + 3_030_000].map((ms) => new Date(ms).toISOString());
    await page.goto(`${doppel.httpUrl}/history?device=kiln-1&metric=temperature&from=${from}&to=${to}`);
    await page.getByText("30 readings · 1 minute · 1 series · 1 flagged").waitFor();
    const plot = (await page.locator(".u-over").boundingBox())!;
    await page.mouse.move(plot.x + plot.width / 2, plot.y + 30);
    await page.getByText("◆ flagged: temperature range").waitFor();
    await page.mouse.down();
    await page.mouse.move(plot.x + plot.width * 0.75, plot.y + 40, { steps: 4 });
    await page.mouse.up();
    await page.getByText(/^[78] readings · 1(4\.\d|5|5\.\d) seconds · 1 series/).waitFor();
    await page.getByRole("button", { name: "Back" }).click();
    await page.getByText("30 readings · 1 minute").waitFor();
    expect(failures).toEqual([]);
  });

  test("lets a message in quarantine be corrected and sent again, once", async () => {
    await doppel.call("POST", "/v1/devices/rover-1/telemetry", { readings: { speed: 3, latitude: 152.5 } });
    await page.goto(`${doppel.httpUrl}/dead-letters?device=rover-1`);
    const letters = page.getByRole("region", { name: "Refused messages" });
    const listed = async () => {
      await page.getByRole("button", { name: "Refresh" }).click();
      return letters.getByText("latitude is 152.5").count();
    };
    await expect.poll(listed, { timeout: 30_000 }).toBe(1);
    await letters.getByRole("button", { name: /^Inspect and send/ }).click();
    const dialog = page.getByRole("dialog", { name: "Quarantined" });
    const payload = dialog.getByRole("textbox", { name: "Payload" });
    await payload.fill((await payload.inputValue()).replace("152.5", "52.5"));
    await dialog.getByRole("button", { name: "Send corrected" }).click();
    await dialog.getByText("1 accepted").waitFor();
    await page.reload();
    await letters.getByText("Sent again, corrected").waitFor();
    const { items } = await doppel.call("GET", "/v1/dead-letters?device=rover-1");
    expect(items).toHaveLength(1);
    await doppel.call("POST", `/v1/dead-letters/${items[0].id}/resend`, {}, 409);
    const { latest } = await doppel.call("GET", "/v1/devices/rover-1");
    expect(latest.latitude).toMatchObject({ value: 52.5, count: 1 });
    await page.goto(`${doppel.httpUrl}/quality?last=1h`);
    const rules = page.getByRole("region", { name: "Broken rules" });
    await rules.getByRole("row", { name: /latitude quarantined/ }).waitFor();
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
