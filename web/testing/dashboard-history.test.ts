import { describe, expect, test } from "vitest";
import { chromiumIsHere, dashboardInBrowser, inked } from "./browser.ts";

describe.skipIf(!chromiumIsHere)("the dashboard's history and quality", { timeout: 90_000 }, () => {
  const open = dashboardInBrowser();

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
});
