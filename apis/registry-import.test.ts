import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const csv = (text: string) =>
  api.json("POST", "/v1/devices/import", text, { "content-type": "text/csv; charset=utf-8" });
const lines = (text: string) =>
  api.json("POST", "/v1/devices/import", text, { "content-type": "application/x-ndjson" });

describe("an import of CSV", () => {
  test("registers each line, and changes what is there", async () => {
    await api.request("POST", "/v1/devices", { id: "a", region: "old", tags: { keep: "1" } });
    const text =
      "\uFEFFid,type,region,location,latitude,longitude,firmware_version,tag:line\r\n" +
      'a,pump,eu,"Hall 3, left",52.5,13.4,1.0,7\r\n' +
      "b,,,,,,,\r\n\r\n" +
      '"c",valve,us,,,,2.0,\r\n';
    expect((await csv(text)).body).toEqual({ accepted: 3, refusedTotal: 0, refused: [] });
    expect((await api.json("GET", "/v1/devices/a")).body).toMatchObject({
      type: "pump",
      region: "eu",
      location: { name: "Hall 3, left", latitude: 52.5, longitude: 13.4 },
      tags: { keep: "1", line: "7" },
      firmwareVersion: "1.0",
    });
    expect((await api.json("GET", "/v1/devices/b")).body).toMatchObject({ type: "default", location: null });
  });

  test("reports the lines that it refuses and takes the others", async () => {
    const { body } = await csv("id,latitude\na,1\nb/c,1\nd,north\ne\nf,95\ng,2\n");
    expect(body.accepted).toBe(2);
    expect(body.refused.map(({ line }: { line: number }) => line)).toEqual([3, 4, 5, 6]);
    expect(body.refused[0].reason).toContain("id: a device id is");
    expect(body.refused[2].reason).toBe("The line has 1 cells but there are 2 columns.");
  });

  test("reports a line that is not CSV, and goes on after it", async () => {
    const { status, body } = await csv('id,region\na,eu\nb,"e"u\nc,us\n');
    expect(status).toBe(200);
    expect(body).toMatchObject({ accepted: 2, refused: [{ line: 3, reason: expect.stringContaining("Quote") }] });
  });

  test("takes a cell that goes over two lines", async () => {
    const { body } = await csv('id,location,region\na,"Hall 3,\nleft ""A""",eu\nb,x\ty,us\n');
    // A place has no line breaks: the record is read as one, and refused for what it says.
    expect(body).toMatchObject({
      accepted: 0,
      refused: [{ line: 2, reason: expect.stringContaining("location/name") }, { line: 4 }],
    });
  });

  test("a quote that is never closed costs its own line only", async () => {
    const { body } = await csv(`id,region\na,eu\nb,"eu\n${"c,us\n".repeat(3)}`);
    expect(body).toMatchObject({
      accepted: 4,
      refusedTotal: 1,
      refused: [{ line: 3, reason: expect.stringContaining("Quote") }],
    });
    const long = await csv(`id,region\nb,"eu\n${"c,us\n".repeat(20_000)}`);
    expect(long.body).toMatchObject({ accepted: 20_000, refusedTotal: 1 });
  });

  test("refuses what is no CSV from its first line on", async () => {
    expect((await csv('"a"b,id\n')).body.detail).toContain("column names");
    expect((await csv("x".repeat(200_000))).status).toBe(400);
  });

  test("refuses columns that there are not, none, and two of the same", async () => {
    expect((await csv("id,colour\na,red\n")).body.detail).toContain('"colour"');
    expect((await csv("type\npump\n")).body.detail).toContain("id");
    expect((await csv("id,id\na,b\n")).status).toBe(400);
    expect((await csv("")).status).toBe(400);
  });
});

describe("an import of JSON lines", () => {
  test("registers each line and reports the refused ones with the place", async () => {
    const { body } = await lines('{"id":"a","tags":{"x":"1"}}\n\n{"id":"b",}\n{"id":7}\n["c"]\r\n{"id":"d"}');
    expect(body).toMatchObject({ accepted: 2, refusedTotal: 3 });
    expect(body.refused[0]).toEqual({ line: 3, reason: 'The line is not valid JSON: unexpected "}" at column 11.' });
    expect(body.refused.map(({ line }: { line: number }) => line)).toEqual([3, 4, 5]);
  });

  test("refuses a line that is too long, and goes on after it", async () => {
    const { body } = await lines(`{"id":"a"}\n{"id":"${"x".repeat(200_000)}"}\n{"id":"b"}\n`);
    expect(body).toMatchObject({ accepted: 2, refused: [{ line: 2, reason: "The line is over 65536 bytes." }] });
  });

  test("names at most 1,000 refused lines and counts all", async () => {
    const { body } = await lines("x\n".repeat(1_500));
    expect(body.refusedTotal).toBe(1_500);
    expect(body.refused).toHaveLength(1_000);
  });
});

test("ten thousand lines become ten thousand devices", async () => {
  const text = Array.from({ length: 10_000 }, (_, n) => `{"id":"d-${n}","region":"r${n % 10}"}`).join("\n");
  expect((await lines(text)).body).toEqual({ accepted: 10_000, refusedTotal: 0, refused: [] });
  await api.project();
  expect((await api.json("GET", "/v1/devices?region=r3&limit=1")).body.total).toBe(1_000);
});

test("too many lines or bytes end an import", async () => {
  const small = await openTestApi({ config: { maxImportLines: 2, maxImportBytes: 100 } });
  const headers = { "content-type": "application/x-ndjson" };
  const three = await small.json("POST", "/v1/devices/import", '{"id":"a"}\n{"id":"b"}\n{"id":"c"}\n', headers);
  expect(three.body).toMatchObject({ accepted: 2, refused: [{ line: 3 }] });
  expect((await small.json("POST", "/v1/devices/import", "\n".repeat(101), headers)).status).toBe(413);
  await small.close();
});

test("another type of body is refused", async () => {
  expect((await api.json("POST", "/v1/devices/import", "a", { "content-type": "application/xml" })).status).toBe(415);
  expect((await api.json("POST", "/v1/devices/import", "[]")).status).toBe(415);
});
