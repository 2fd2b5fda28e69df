import { expect, onTestFinished, test } from "vitest";
import type { CommittedTurn } from "../actors/host/port.ts";
import type { TwinRecord } from "../core/device/records.ts";
import { memoryFleetIndex } from "../ports/fleet-index/memory.ts";
import { registered, telemetry } from "../ports/fleet-index/testing.ts";
import { openMemoryRecordLog } from "../ports/record-log/memory.ts";
import { openLiveFeed, turnsOf } from "./live-feed.ts";

const logged = (device: string, record: TwinRecord, offset = 0) => ({
  id: `${device}${offset}`,
  device,
  record,
  offset,
});

test("neighbouring records of a device are told as one turn, in the region where it is registered", () => {
  const [first, second] = [telemetry(1, { t: 1 }), telemetry(2, { t: 2 })];
  const records = [logged("a", first, 1), logged("a", second, 2), logged("b", first, 3), logged("a", first, 4)];
  expect(turnsOf(records, (device) => `region of ${device}`)).toMatchObject([
    { device: "a", region: "region of a", records: [first, second] },
    { device: "b", region: "region of b" },
    { device: "a" },
  ]);
});

test("what any host commits is heard here, with the region that the registration told", async () => {
  const log = openMemoryRecordLog();
  const feed = openLiveFeed({ source: log.source, fleet: memoryFleetIndex(), onTrouble: () => {} });
  onTestFinished(() => feed.stop());
  const heard: CommittedTurn[] = [];
  feed.onCommitted((turns) => heard.push(...turns));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const record = registered();
  await log.publisher.publish([{ id: "d1.0", device: "pump-4", record }]);
  await expect.poll(() => heard.length).toBe(1);
  await log.publisher.publish([{ id: "s1", device: "pump-4", record: telemetry(1, { t: 1 }) }]);
  await expect.poll(() => heard.length).toBe(2);
  expect(heard[1]!.region).toBe(record.kind === "registered" ? record.registration.region : "");
});
