import { afterEach, beforeEach, expect, test } from "vitest";
import { noCounts, type QualityCounts, type QualityRow } from "../ports/quality-stats/port.ts";
import { openTestApi, type TestApi } from "./testing.ts";

const nowMs = Date.UTC(2025, 10, 21, 12);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi({ now: () => nowMs });
});
afterEach(() => api.close());

function aRow(agoMs: number, counts: Partial<QualityCounts>, row: Partial<QualityRow> = {}): QualityRow {
  const minute = nowMs - agoMs;
  return { minuteMs: minute, type: "pump", region: "eu", rules: [], counts: { ...noCounts, ...counts }, ...row };
}

const get = (query = "") => api.json("GET", `/v1/quality${query}`);

test("shows the four figures of the last day, as points and in all", async () => {
  const rules = [{ rule: "temperature-range", outcome: "flagged" as const, messages: 2 }];
  const refused = [{ rule: "malformed-json", outcome: "refused" as const, messages: 1 }];
  await api.parts.quality.add(
    [
      aRow(
        2 * hourMs,
        { accepted: 8, quarantined: 2, incomplete: 1, inaccurate: 2, timely: 6, readings: 16 },
        { rules },
      ),
      aRow(
        minuteMs,
        {
          accepted: 10,
          timely: 10,
          refused: 1,
          duplicates: 4,
          newestMs: nowMs - 5_000,
          delaySumMs: 20_000,
          delayMaxMs: 7_000,
        },
        { region: "us", rules: refused },
      ),
    ],
    { from: 0, to: 26 },
  );
  const { status, body } = await get();
  expect(status).toBe(200);
  expect(body).toMatchObject({ interval: "5m", intervalSeconds: 300, detail: null });
  expect(body.totals).toMatchObject({
    ...{ messages: 25, accepted: 18, quarantined: 2, refused: 1, duplicates: 4, readings: 16 },
    ...{ completeness: 0.95, accuracy: 0.9, timeliness: 16 / 18, freshnessSeconds: 5 },
    delaySeconds: { mean: 20 / 18, max: 7 },
  });
  expect(body.points.map(({ ts, completeness }: Record<string, unknown>) => [ts, completeness])).toEqual([
    ["2025-11-21T10:00:00.000Z", 0.9],
    ["2025-11-21T11:55:00.000Z", 1],
  ]);
  expect(body.points[0]).toMatchObject({ newest: null, freshnessSeconds: null });
  expect(body.groups.map(({ region, messages }: Record<string, unknown>) => [region, messages])).toEqual([
    ["eu", 10],
    ["us", 15],
  ]);
  expect(body.rules).toEqual([
    {
      ...{ rule: "temperature-range", outcome: "flagged", messages: 2, share: 2 / 25 },
      points: [{ ts: "2025-11-21T10:00:00.000Z", messages: 2 }],
      groups: [{ type: "pump", region: "eu", messages: 2 }],
    },
    {
      ...{ rule: "malformed-json", outcome: "refused", messages: 1, share: 1 / 25 },
      points: [{ ts: "2025-11-21T11:55:00.000Z", messages: 1 }],
      groups: [{ type: "pump", region: "us", messages: 1 }],
    },
  ]);
});

test("type, region, rule and range narrow it, and the interval is what was asked for", async () => {
  const rules = [{ rule: "stuck", outcome: "flagged" as const, messages: 1 }];
  await api.parts.quality.add(
    [
      aRow(minuteMs, { accepted: 1 }),
      aRow(minuteMs, { accepted: 2 }, { type: "fan", rules }),
      aRow(3 * hourMs, { accepted: 4 }),
    ],
    { from: 0, to: 7 },
  );
  expect((await get("?type=pump&interval=1h")).body).toMatchObject({ interval: "1h", totals: { accepted: 5 } });
  expect((await get("?region=us")).body.totals.accepted).toBe(0);
  expect((await get("?rule=stuck")).body.rules.map(({ rule }: { rule: string }) => rule)).toEqual(["stuck"]);
  expect((await get("?rule=other")).body).toMatchObject({ rules: [], totals: { accepted: 7 } });
  const recent = await get(`?from=${nowMs - hourMs}&interval=1m`);
  expect(recent.body.points).toHaveLength(1);
  expect(recent.body.totals.accepted).toBe(3);
});

test("a time in which nothing came is no time of perfect data: it says so", async () => {
  const { status, body } = await get("?type=pump&from=2025-01-01&to=2025-01-02");
  expect(status).toBe(200);
  expect(body).toMatchObject({ points: [], groups: [], rules: [], totals: { messages: 0, completeness: null } });
  expect(body.totals).toMatchObject({ accuracy: null, timeliness: null, delaySeconds: null, freshnessSeconds: null });
  expect(body.detail).toBe(
    'No message of a device of type "pump" reached us from 2025-01-01T00:00:00.000Z to 2025-01-02T00:00:00.000Z.',
  );
});

test("where minutes have become hours, it shows hours", async () => {
  await api.parts.quality.add([aRow(30 * hourMs + minuteMs, { accepted: 1 })], { from: 0, to: 1 });
  await api.parts.quality.maintain({ mergeBeforeMs: 0, minutesBeforeMs: nowMs - 24 * hourMs, hoursBeforeMs: 0 });
  const { body } = await get(`?from=${nowMs - 48 * hourMs}&interval=1m`);
  expect(body).toMatchObject({ interval: "1h", points: [{ ts: "2025-11-20T05:00:00.000Z", accepted: 1 }] });
});

test("what cannot be answered is refused with the reason", async () => {
  for (const [query, reason] of [
    ["?from=2025-01-02&to=2025-01-01", "The range is empty"],
    ["?from=2020-01-01&to=2025-01-01&interval=1m", "at most 10000"],
    ["?interval=2m", "query/interval"],
    ["?device=pump-4", "Unknown query parameter"],
  ]) {
    const { status, body } = await get(query);
    expect([status, body.detail]).toEqual([400, expect.stringContaining(reason as string)]);
  }
});
