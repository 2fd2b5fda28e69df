import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const nowMs = 1_795_262_400_000; // 2026-11-21T12:00:00Z
const anExport = { device_id: "pump-4", metric: ["t"], format: "csv" };

describe("/v1/exports", () => {
  test("writes a query's rows to a file that can be downloaded, and deleted", async () => {
    await api.json("POST", "/v1/devices/pump-4/telemetry", [{ ts: nowMs - 1_000, readings: { t: 1 } }]);
    await api.project();
    const { status, body } = await api.json("POST", "/v1/exports", anExport);
    expect(status).toBe(201);
    expect(body).toMatchObject({ device_id: ["pump-4"], end: "2026-11-21T12:00:00.001Z", last: null, schedule: null });
    await api.exported();
    const made = (await api.json("GET", `/v1/exports/${body.id}`)).body;
    expect(made).toMatchObject({
      state: "done",
      nextRunAt: null,
      runs: [{ attempt: 1, state: "done", rows: 1, error: null }],
    });
    const [file] = made.runs[0].files;
    expect(file.key).toBe(`exports/${body.id}/${file.name}`);
    const response = await api.request("GET", file.download);
    expect(response.headers.get("content-type")).toBe("text/csv");
    expect(response.headers.get("content-length")).toBe(String(file.bytes));
    expect(await response.text()).toBe("device_id,metric,ts,value,flags\r\npump-4,t,2026-11-21T11:59:59.000Z,1,\r\n");
    expect((await api.request("GET", `/v1/exports/${body.id}/files/20261121T120000Z-9-00001.csv`)).status).toBe(404);
    expect((await api.request("DELETE", `/v1/exports/${body.id}`)).status).toBe(204);
    expect((await api.request("GET", file.download)).status).toBe(404);
    expect((await api.request("DELETE", `/v1/exports/${body.id}`)).status).toBe(404);
  });

  test("keeps a schedule, and lists what there is in pages", async () => {
    const daily = {
      ...anExport,
      last: "day",
      schedule: "0 6 * * *",
      timezone: "Europe/Berlin",
      interval: "1h",
      aggregate: "max",
    };
    expect((await api.json("POST", "/v1/exports", daily)).body).toMatchObject({
      state: "scheduled",
      nextRunAt: "2026-11-22T05:00:00.000Z",
      ...{ last: "day", start: null, interval: "1h", aggregate: "max", timezone: "Europe/Berlin", runs: [] },
    });
    await api.json("POST", "/v1/exports", anExport);
    const first = (await api.json("GET", "/v1/exports?limit=1")).body;
    expect(first.items).toMatchObject([{ schedule: null }]);
    const rest = (await api.json("GET", `/v1/exports?limit=1&cursor=${first.next}`)).body;
    expect(rest.items).toMatchObject([{ schedule: "0 6 * * *" }]);
  });

  test("refuses what cannot be made", async () => {
    const refused = async (different: object) => {
      const { status, body } = await api.json("POST", "/v1/exports", { ...anExport, ...different });
      return `${status} ${body.detail}`;
    };
    expect(await refused({ schedule: "0 6 * * *" })).toContain("400 A schedule takes a range");
    expect(await refused({ last: "day", start: "2026-11-01" })).toContain("400 Give either");
    expect(await refused({ last: "day", schedule: "often" })).toContain("400 body/schedule");
    expect(await refused({ last: "day", schedule: "* * * * * *" })).toContain("400 body/schedule");
    expect(await refused({ aggregate: "sum" })).toContain("400 An aggregate needs");
    expect(await refused({ interval: "soon" })).toContain("400 body/interval");
    expect(await refused({ timezone: "Mars" })).toContain("400 body/timezone");
    expect(await refused({ device_id: [] })).toContain("400");
    expect(await refused({ start: 2000, end: "1970-01-01" })).toContain("400");
    expect(await refused({ format: "json" })).toContain("400 body/format");
  });

  test("says so where there is no place for files", async () => {
    const without = await openTestApi({ parts: { exports: null } });
    expect((await without.json("GET", "/v1/exports")).body).toMatchObject({
      status: 503,
      detail: expect.stringContaining("no place"),
    });
    await without.close();
  });
});
