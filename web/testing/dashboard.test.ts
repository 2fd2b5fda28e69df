import { describe, expect, test } from "vitest";
import { chromiumIsHere, dashboardInBrowser, inked } from "./browser.ts";

describe.skipIf(!chromiumIsHere)("the dashboard", { timeout: 90_000 }, () => {
  const open = dashboardInBrowser();

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

  test("a device that is counted before the list knows it is shown when the list does", async () => {
    const { page, fake, device } = await open("/");
    await page.getByRole("status").filter({ hasText: "Live" }).waitFor();
    await page.route(/\/v1\/devices\?/, (route) => route.fulfill({ json: { items: [], total: 0, next: null } }), {
      times: 2,
    });
    await page.goto(`${fake.url}/devices`);
    await page.getByRole("link", { name: device.id, exact: true }).waitFor();
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

  test("no dialog is wider than a phone, and Escape gives the focus back to where it was opened", async () => {
    const { page, fake, device } = await open("/quality", { width: 375 });
    const fits = async (name: RegExp | string) => {
      const dialog = page.getByRole("dialog", { name });
      await dialog.waitFor();
      expect(await dialog.evaluate((element) => element.scrollWidth - element.clientWidth)).toBeLessThanOrEqual(0);
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
    };
    const edit = page.getByRole("button", { name: "Edit clock-skew-behind" });
    await edit.click();
    await fits("Rule clock-skew-behind of default");
    expect(await edit.evaluate((element) => element === document.activeElement)).toBe(true);
    await page.goto(`${fake.url}/dead-letters?reason=quarantined`);
    const inspect = page.getByRole("button", { name: /^Inspect and send/ }).first();
    await inspect.click();
    await fits("Quarantined");
    expect(await inspect.evaluate((element) => element === document.activeElement)).toBe(true);
    await page.goto(`${fake.url}/history?device=${device.id}&metric=temperature`);
    await page.getByText("Export", { exact: true }).click();
    await page.getByRole("button", { name: /^To the storage/ }).click();
    await fits("Export to the storage");
  });

  test("the first thing that Tab reaches leads past the header", async () => {
    const { page } = await open("/devices");
    await page.getByText("200 in all").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
  });
});
