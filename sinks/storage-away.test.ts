import { expect, test } from "vitest";
import { AnalyticsAway } from "../ports/analytics/port.ts";
import { ArchiveTaken } from "../ports/archive/port.ts";
import { StoreAway } from "../ports/object-store/port.ts";
import { RowsRefused, StaleProgress } from "../ports/time-series/port.ts";
import { isStorageAway } from "./storage-away.ts";

const coded = (code: string) => Object.assign(new Error(code), { code });

test.each([
  ["a connection that broke", coded("ECONNRESET")],
  ["a server that starts", coded("57P03")],
  ["a disk that is full", coded("53100")],
  ["a bucket or folder that is away or full", new StoreAway("full")],
  ["ClickHouse that does not answer", new AnalyticsAway("timeout")],
])("%s is a storage that is away", (_, error) => {
  expect(isStorageAway(error)).toBe(true);
});

test.each([
  ["another writer who was quicker", new StaleProgress("go on")],
  ["a refused row", new RowsRefused("too long")],
  ["a constraint", coded("23514")],
  ["another's archive", new ArchiveTaken("taken")],
  ["a mistake of ours", new TypeError("undefined")],
  ["what is no error", "ECONNRESET"],
])("%s is an answer", (_, error) => {
  expect(isStorageAway(error)).toBe(false);
});
