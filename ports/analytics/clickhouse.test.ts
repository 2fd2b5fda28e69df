import { describe, expect, onTestFinished, test } from "vitest";
import { clickHouseIsHere, testClickHouse } from "../../deploy/native/testing.ts";
import { openClickHouseAnalytics } from "./clickhouse.ts";
import { analyticsContract } from "./contract.ts";
import { AnalyticsAway } from "./port.ts";

const dayMs = 86_400_000;
const keep = { keepMs: 36_500 * dayMs, keepAggregatesMs: { minute: null, hour: null } };

describe.skipIf(!clickHouseIsHere)("with ClickHouse", () => {
  analyticsContract("ClickHouse", async () => {
    const { url, close } = await testClickHouse();
    const port = await openClickHouseAnalytics({ url, ...keep });
    return { port, close: () => port.close().then(close) };
  });

  test("opens again on its tables, with another retention", async () => {
    const { url, close } = await testClickHouse();
    onTestFinished(close);
    for (const keepMs of [null, dayMs, null]) {
      const analytics = await openClickHouseAnalytics({ url, ...keep, keepMs });
      await analytics.write([], { from: 0, to: 0 });
      await analytics.close();
      const shown = await fetch(url.replace(/[^/]*$/, ""), {
        method: "POST",
        body: `show create table ${new URL(url).pathname.slice(1)}.readings`,
      });
      expect((await shown.text()).includes("TTL")).toBe(keepMs !== null);
    }
  });
});

test("says which server is away", async () => {
  const opening = openClickHouseAnalytics({ url: "http://127.0.0.1:1/doppel", ...keep });
  await expect(opening).rejects.toThrow(AnalyticsAway);
  await expect(opening).rejects.toThrow("ClickHouse at 127.0.0.1:1");
});
