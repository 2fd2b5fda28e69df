import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startFake } from "./fake-server.ts";

/**
 * The built dashboard in a real browser, over a server that speaks the contract. Needs Chromium (Debian's package
 * `chromium`, or CHROMIUM=/path/to/it); without it these tests are skipped, and in CI they fail.
 */
const chromiumPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const there = existsSync(chromiumPath);
if (!there) {
  if (process.env.CI) throw new Error(`${chromiumPath} is not there. Install Chromium or set CHROMIUM to its path.`);
  console.warn(`SKIPPED: the dashboard's browser tests need Chromium at ${chromiumPath} (or set CHROMIUM).`);
}

describe.skipIf(!there)("the dashboard", { timeout: 90_000 }, () => {
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

  test("the overview shows the fleet's numbers and stays live", async () => {
    const { page, fake } = await open("/", { devices: 10_000 });
    await page.getByText("of 10,000 devices").waitFor();
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
    await page.getByRole("application", { name: /World map of 10,000 devices/ }).waitFor();
    for (const device of fake.devices.slice(0, 300)) fake.setOnline(device, true);
    for (const device of fake.devices) device.flapping = false;
    await page.getByRole("link", { name: /^Flapping 0/ }).waitFor();
  });

  test("a device that comes online changes in the list by itself", async () => {
    const { page, fake } = await open("/devices");
    const offline = fake.devices.slice(0, 50).find(({ status }) => status === "offline")!;
    const row = page.getByRole("row").filter({ hasText: offline.id });
    await row.getByText("Offline").waitFor();
    fake.setOnline(offline, true);
    await row.getByText("Online").waitFor();
  });

  test("search and filters narrow the list, live in the address, and can be cleared", async () => {
    const { page, fake } = await open("/devices", { devices: 10_000 });
    await page.getByText("1–50 of 10,000").waitFor();
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText("51–100 of 10,000").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("pump-00003");
    await page.getByText(`${fake.devices.filter(({ id }) => id.includes("pump-00003")).length} match`).waitFor();
    expect(new URL(page.url()).searchParams.get("search")).toBe("pump-00003");
    await page.getByRole("searchbox").fill("no such device");
    await page.getByRole("button", { name: "Clear the filters" }).click();
    await page.getByText("10,000 in all").waitFor();
  });

  test("a desired change is saved as the difference, and the shadow shows it", async () => {
    const { page, device } = await open("/devices");
    await page.getByRole("link", { name: device.id, exact: true }).click();
    await page.getByText("2 properties differ").waitFor();
    await page.getByRole("button", { name: "Edit desired" }).click();
    const editor = page.getByRole("textbox", { name: /^Desired/ });
    await editor.fill('{"mode": eco}');
    await page.getByText("Line 1, column 10: expected a value").waitFor();
    await editor.fill('{"mode": "eco", "sampling": {"intervalSeconds": 30, "jitter": false}}');
    await page
      .getByText('Will send {"setpoint":null,"schedule":null,"mode":"eco","sampling":{"intervalSeconds":30}}')
      .waitFor();
    await page.getByRole("button", { name: "Save desired" }).click();
    await page.getByText("In step").waitFor();
  });

  test("a desired change on top of someone else's is a question, not a loss", async () => {
    const { page, fake, device } = await open("/devices");
    await page.goto(`${fake.url}/devices/${device.id}`);
    await page.getByRole("button", { name: "Edit desired" }).click();
    const editor = page.getByRole("textbox", { name: /^Desired/ });
    await editor.fill((await editor.inputValue()).replace('"comfort"', '"off"'));
    const other = await fetch(`${fake.url}/v1/devices/${device.id}/shadow`, {
      method: "PATCH",
      headers: { "if-match": '"42"', "content-type": "application/json" },
      body: JSON.stringify({ state: { desired: { setpoint: 5 } } }),
    });
    expect(other.status).toBe(200);
    await page.getByRole("button", { name: "Save desired" }).click();
    await page.getByText("Someone changed the shadow meanwhile").waitFor();
    await page.getByRole("button", { name: "Put my changes on top of it" }).click();
    await page.getByText("from version 43").waitFor();
    expect(JSON.parse(await editor.inputValue())).toMatchObject({ mode: "off", setpoint: 5 });
    await page.getByRole("button", { name: "Save desired" }).click();
    await page.getByText("version 44").waitFor();
  });

  test("a chart draws, for any range, and grows", async () => {
    const { page, fake, device } = await open("/devices");
    await page.goto(`${fake.url}/devices/${device.id}`);
    const panel = page.getByRole("region", { name: "History of temperature" });
    await panel.getByRole("img", { name: /^Chart of temperature from/ }).waitFor();
    expect(await inked(page)).toBe(true);
    const count = async () => Number.parseInt((await panel.getByText(/readings$/).textContent()) ?? "", 10);
    const before = await count();
    await expect.poll(count, { timeout: 30_000 }).toBeGreaterThan(before);
    for (const range of ["24 h", "7 d", "30 d", "All"]) {
      await panel.getByRole("button", { name: range, exact: true }).click();
      await panel.getByText(/lowest to highest/).waitFor();
      expect(await inked(page)).toBe(true);
    }
  });

  test("history shows what was picked, zooms by dragging and keys, and goes back", async () => {
    const { page, fake } = await open("/history");
    const [first, second] = fake.devices;
    await page.getByRole("combobox", { name: "Add a device" }).fill(first!.id);
    await page.getByRole("option", { name: first!.id }).click();
    await page.getByText(/averages with lowest and highest · 1 day · 1 series/).waitFor();
    await page.getByRole("combobox", { name: "Add a device" }).fill(second!.id);
    await page.getByRole("option", { name: second!.id }).waitFor();
    await page.keyboard.press("Enter");
    for (const metric of ["humidity", "temperature"]) {
      const toggle = page.getByRole("button", { name: metric, exact: true });
      if ((await toggle.getAttribute("aria-pressed")) === "false") await toggle.click();
    }
    const chart = page.getByRole("application", { name: /^Chart of temperature/ });
    await chart.waitFor();
    expect(await inked(page)).toBe(true);
    const range = () => {
      const query = new URL(page.url()).searchParams;
      return Date.parse(query.get("to") ?? "") - Date.parse(query.get("from") ?? "");
    };
    const box = (await chart.locator(".u-over").boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.45, box.y + 50, { steps: 4 });
    await page.mouse.up();
    await expect.poll(range).toBeLessThan(86_400_000 * 0.06);
    await page
      .getByRole("status")
      .filter({ hasText: /readings .* hours?/ })
      .waitFor();
    const dragged = range();
    await chart.focus();
    await page.keyboard.press("+");
    await expect.poll(range).toBeLessThan(dragged * 0.51);
    await page.keyboard.press("Escape");
    await expect.poll(range).toBe(dragged);
    await page.getByRole("button", { name: "Back" }).click();
    await expect.poll(range).toBeNaN();
    const legend = page.getByRole("table", { name: /^temperature/ });
    await legend.getByRole("checkbox", { name: second!.id }).uncheck();
    await expect.poll(() => new URL(page.url()).searchParams.getAll("hide")).toHaveLength(1);
    await page.getByRole("button", { name: "7 d", exact: true }).click();
    await legend
      .getByRole("row")
      .filter({ hasText: first!.id })
      .getByText(/longest/)
      .waitFor();
    await page.getByText("Export").click();
    const link = page.getByRole("link", { name: /Parquet/ });
    expect(await link.getAttribute("href")).toMatch(/device_id=.*&metric=.*&start=.*&end=.*&format=parquet/);
  });

  test("what is shown is exported to the storage, fetched and deleted; a schedule stays", async () => {
    const { page, fake } = await open("/history");
    const id = fake.devices[0]!.id;
    await page.goto(`${fake.url}/history?device=${id}&metric=temperature&last=1h`);
    await page.getByText("Export", { exact: true }).click();
    await page.getByRole("button", { name: /^To the storage/ }).click();
    const dialog = page.getByRole("dialog", { name: "Export to the storage" });
    await dialog.getByLabel("Format").selectOption("csv");
    await dialog.getByRole("button", { name: "Export", exact: true }).click();
    const made = dialog.getByRole("listitem").filter({ hasText: "86,400 rows in s3://telemetry" });
    await made.getByText(`temperature of ${id}`).first().waitFor();
    const file = page.waitForEvent("download");
    await made.getByRole("button", { name: /\.csv$/ }).click();
    expect((await file).suggestedFilename()).toMatch(/\.csv$/);
    await dialog.getByLabel("When").selectOption("day");
    await dialog.getByText("All readings of the whole day before each run.").waitFor();
    await dialog.getByRole("button", { name: "Export", exact: true }).click();
    const daily = dialog.getByRole("listitem").filter({ hasText: "every day at 6" });
    await daily.getByText("scheduled").waitFor();
    await made.getByRole("button", { name: /^Delete the export/ }).click();
    await made.getByRole("button", { name: /^Delete, with its files/ }).click();
    await made.waitFor({ state: "detached" });
    expect(await daily.count()).toBe(1);
    await page.route("**/v1/exports", (route) =>
      route.fulfill({ status: 503, json: { title: "Unavailable", status: 503, detail: "The storage is not there." } }),
    );
    await dialog.getByRole("button", { name: "Export", exact: true }).click();
    await dialog.getByRole("alert").getByText("The storage is not there.").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  });

  test("a question that is too large is told in the server's words, and another one can be asked", async () => {
    const { page, fake } = await open("/history");
    const detail = "The range has 90000 intervals; one query takes 10000.";
    await page.route("**/v1/query?*", (route) =>
      route.fulfill({ status: 400, json: { title: "Query too large", status: 400, detail } }),
    );
    await page.goto(`${fake.url}/history?device=${fake.devices[0]!.id}&metric=temperature&last=365d`);
    await page.getByRole("alert").getByText(detail).waitFor();
    await page.unroute("**/v1/query?*");
    await page.getByRole("button", { name: "1 h", exact: true }).click();
    await page.getByRole("application", { name: /^Chart of temperature/ }).waitFor();
  });

  test("a dead letter is corrected and sent again, once", async () => {
    const { page } = await open("/dead-letters?reason=quarantined");
    await page
      .getByRole("button", { name: /^Inspect and send/ })
      .first()
      .click();
    const dialog = page.getByRole("dialog", { name: "Quarantined" });
    const payload = dialog.getByRole("textbox", { name: "Payload" });
    const text = await payload.inputValue();
    await payload.fill(text.replace("91.02", "91.02,"));
    await dialog.getByText(/^Line \d+, column \d+: expected/).waitFor();
    expect(await dialog.getByRole("button", { name: /^Send/ }).isDisabled()).toBe(true);
    await payload.fill(text.replace("91.02", "47.02"));
    await dialog.getByRole("button", { name: "Send corrected" }).click();
    await dialog.getByText("1 accepted").waitFor();
    expect(await dialog.getByRole("button", { name: /^Send/ }).count()).toBe(0);
    await page.reload();
    await page.getByText("Sent again, corrected").waitFor();
  });

  test("many dead letters are sent again at once", async () => {
    const { page } = await open("/dead-letters");
    await page.getByRole("checkbox", { name: "All of this page" }).check();
    await page.getByRole("button", { name: "Send again as they came" }).click();
    await page.getByText("50 sent again.").waitFor();
    expect(await page.getByRole("button", { name: /^Inspect and send/ }).count()).toBe(0);
  });

  test("quality is shown by type, leads to what is in quarantine, and its rules can be changed", async () => {
    const { page } = await open("/quality");
    await page.getByRole("application", { name: /^Chart of Complete/ }).waitFor();
    const rules = page.getByRole("region", { name: "Rules", exact: true });
    await rules.getByRole("button", { name: "Edit temperature-range" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("At most").fill("1200");
    await dialog.getByRole("button", { name: "Save rule" }).click();
    await rules.getByText("temperature from −50 to 1,200").waitFor();
    await rules.getByRole("button", { name: "As built in temperature-range" }).click();
    await rules.getByText("temperature from −50 to 100").waitFor();
    const broken = page.getByRole("region", { name: "Broken rules" });
    await broken.getByRole("link", { name: "quarantined" }).click();
    await page.waitForURL(/dead-letters\?rule=latitude/);
    await page.getByText("above 90").first().waitFor();
  });

  test("a rule that is saved on top of someone else's change shows it first, and keeps it", async () => {
    const { page, fake } = await open("/quality?type=pump");
    const rules = page.getByRole("region", { name: "Rules", exact: true });
    await rules.getByRole("button", { name: "Edit temperature-range" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("At most").fill("120");
    const flow = { kind: "range", metrics: ["flow"], min: 0, action: "quarantine" };
    const other = await fetch(`${fake.url}/v1/device-types/pump/quality`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ "flow-range": flow }),
    });
    expect(other.status).toBe(200);
    await dialog.getByRole("button", { name: "Save rule" }).click();
    const alert = dialog.getByRole("alert");
    await alert.getByText("Someone changed the rules meanwhile").waitFor();
    await alert.getByText("flow at least 0: quarantine (new)").waitFor();
    await dialog.getByRole("button", { name: "Save mine all the same" }).click();
    await rules.getByText("temperature from −50 to 120").waitFor();
    await rules.getByText("flow at least 0").waitFor();
    // Not seen yet by this page, which is told, and removes nothing.
    await fetch(`${fake.url}/v1/device-types/pump/quality`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ "flow-range": { ...flow, min: 1 } }),
    });
    await rules.getByRole("button", { name: "Remove flow-range" }).click();
    await rules.getByRole("alert").getByText("(was flow at least 0: quarantine)").waitFor();
    await rules.getByRole("button", { name: "Remove flow-range" }).click();
    await rules.getByRole("button", { name: "Remove flow-range" }).waitFor({ state: "detached" });
  });

  test("a command is sent with its parameters, and can be cancelled", async () => {
    const { page, fake, device } = await open("/devices");
    await page.goto(`${fake.url}/devices/${device.id}`);
    await page.getByLabel("Command", { exact: true }).fill("reboot");
    await page.getByLabel("Parameters, JSON").fill('{"delay": 5}');
    await page.getByRole("button", { name: "Send" }).click();
    const command = page.getByRole("listitem").filter({ hasText: '{"delay":5}' });
    await command.getByText("sent").waitFor();
    await command.getByRole("button", { name: "Cancel" }).click();
    await command.getByText("cancelled").waitFor();
  });

  test("a broken connection comes back by itself, with what was missed", async () => {
    const { page, fake } = await open("/devices");
    const offline = fake.devices.slice(0, 50).find(({ status }) => status === "offline")!;
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
    fake.drop();
    offline.status = "online"; // untold
    await page.getByRole("row").filter({ hasText: offline.id }).getByText("Online").waitFor();
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
  });

  test("a server that wants an API key is asked with the one that the person gives", async () => {
    const { page } = await open("/devices", { apiKey: "secret-key" });
    await page.getByRole("dialog", { name: "API key needed" }).getByLabel("API key").fill("secret-key");
    await page.getByRole("button", { name: "Use this key" }).click();
    await page.getByText("200 in all").waitFor();
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
  });

  test("the embedded system is a cluster of one process", async () => {
    const { page } = await open("/cluster");
    await page.getByText("Embedded: everything runs in one process").waitFor();
    await page
      .getByRole("region", { name: "Process" })
      .getByRole("row", { name: /doppel .*200/ })
      .waitFor();
    await page.getByText("Nothing has changed").waitFor();
  });

  test("a host that dies and comes back is seen at once, and so is where its twins go", async () => {
    const { page, fake } = await open("/cluster", { devices: 9_000, members: 7 });
    const hosts = page.getByRole("region", { name: "Hosts" });
    const changes = page.getByRole("log", { name: "Changes of the cluster" });
    const row = hosts.getByRole("row", { name: /actors-2/ });
    await row.getByText("connected", { exact: true }).waitFor();
    fake.cluster.kill("actors-2");
    fake.cluster.dependencies.redis = { ok: false, detail: "no route to host" };
    await changes.getByText("actors-2 is gone").waitFor();
    await row.getByText(/gone \d+ s ago/).waitFor();
    await hosts.getByText("2 of 3 alive").waitFor();
    await hosts.getByRole("row", { name: /actors-1 .*\+1,\d{3}/ }).waitFor();
    const dependencies = page.getByRole("region", { name: "Dependencies" });
    await dependencies.getByRole("listitem").filter({ hasText: "redis" }).getByText("no route to host").waitFor();
    fake.cluster.restart("actors-2", Date.now());
    await changes.getByText("actors-2 is back").waitFor();
    expect(await row.count()).toBe(1);
    await hosts.getByRole("button", { name: "All figures" }).click();
    await hosts.getByRole("columnheader", { name: "Soft state" }).waitFor();
  });

  test("while the API does not answer the cluster's last picture stays, and it says so", async () => {
    const { page } = await open("/cluster", { members: 7 });
    const row = page.getByRole("row", { name: /actors-2/ });
    await row.waitFor();
    await page.route("**/v1/cluster", (route) => route.abort());
    await page.getByRole("alert").getByText("The server cannot be reached").waitFor();
    await page.getByText(/Picture of \d+ s ago/).waitFor();
    expect(await row.isVisible()).toBe(true);
    await page.unroute("**/v1/cluster");
    await page.getByRole("alert").waitFor({ state: "detached" });
    await page.route("**/v1/cluster", () => {}); // it hangs
    await page.getByRole("alert").getByText("The API does not answer").waitFor();
    expect(await row.isVisible()).toBe(true);
  });

  test("an empty fleet says how to connect a first device", async () => {
    const { page } = await open("/", { devices: 0 });
    await page.getByText(/mosquitto_pub -h 127\.0\.0\.1/).waitFor();
  });

  test("what is not there is told in the server's words", async () => {
    const { page, fake } = await open("/devices/nowhere");
    await page.getByRole("alert").getByText("No such device").waitFor();
    await page.goto(`${fake.url}/no/such/page`);
    await page.getByText("Nothing is here").waitFor();
  });

  test("no page is wider than a phone", async () => {
    const { page, fake, device } = await open("/", { width: 375, members: 7 });
    const shown = `/history?device=${device.id}&metric=temperature&metric=mode&last=7d`;
    for (const path of ["/", "/devices", `/devices/${device.id}`, "/dead-letters", "/quality", "/cluster", shown]) {
      await page.goto(fake.url + path);
      await page.getByRole("region").first().waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(375);
    }
  });

  test("the first thing that Tab reaches leads past the header", async () => {
    const { page } = await open("/devices");
    await page.getByText("200 in all").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
  });
});

/** Whether the chart's canvas holds more than its background. */
function inked(page: Page): Promise<boolean> {
  return page
    .locator(".chart canvas")
    .first()
    .evaluate((canvas: HTMLCanvasElement) => {
      const pixels = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
      return pixels.some((value) => value > 0);
    });
}
