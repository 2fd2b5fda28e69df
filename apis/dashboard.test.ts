import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let root: string;
let api: TestApi;
const script = "console.log(1);".repeat(200);
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "dashboard-"));
  await mkdir(join(root, "assets"));
  await writeFile(join(root, "index.html"), "<!doctype html><title>Doppel</title>");
  await writeFile(join(root, "assets", "app-1a2b3c.js"), script);
  api = await openTestApi({ config: { dashboardRoot: root } });
});
afterEach(async () => {
  await api.close();
  await rm(root, { recursive: true });
});

test.each(["/", "/devices", "/devices/pump-4", "/devices/pump:4.1"])("%s is a page of the dashboard", async (path) => {
  const response = await api.request("GET", path);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(response.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
  expect(response.headers.get("cache-control")).toBe("no-cache");
  expect(await response.text()).toContain("<title>Doppel</title>");
});

test.each(["/v1/nothing", "/api/nothing", "/assets/gone.js", "/gone.png", "/things/a", "/docs/gone"])(
  "%s is no page of the dashboard",
  async (path) => {
    expect((await api.request("GET", path)).status).toBe(404);
  },
);

test("a hashed file is kept for ever, and compressed for who takes it", async () => {
  const path = "/assets/app-1a2b3c.js";
  const plain = await api.request("GET", path);
  expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect(await plain.text()).toBe(script);
  const brotli = await api.request("GET", path, undefined, { "accept-encoding": "gzip, deflate, br" });
  expect(brotli.headers.get("content-encoding")).toBe("br");
  expect(brotliDecompressSync(await brotli.bytes()).toString()).toBe(script);
  const gzip = await api.request("GET", path, undefined, { "accept-encoding": "gzip, br;q=0" });
  expect(gzip.headers.get("content-encoding")).toBe("gzip");
  expect(gunzipSync(await gzip.bytes()).toString()).toBe(script);
});

test("a page that has not changed is not sent again", async () => {
  const etag = (await api.request("GET", "/")).headers.get("etag") as string;
  const again = await api.request("GET", "/", undefined, { "if-none-match": etag });
  expect([again.status, await again.text()]).toEqual([304, ""]);
  expect((await api.request("GET", "/", undefined, { "if-none-match": 'W/"other"' })).status).toBe(200);
});

test("no path leads out of the folder", async () => {
  await writeFile(join(root, "..", "outside.txt"), "secret");
  for (const path of [
    "/../outside.txt",
    "/%2e%2e/outside.txt",
    "/..%2foutside.txt",
    "/assets/..%2f..%2foutside.txt",
    "/%00",
  ]) {
    const response = await api.request("GET", path);
    expect(await response.text()).not.toContain("secret");
  }
  await rm(join(root, "..", "outside.txt"));
});

test("the dashboard's pages take no other method", async () => {
  const refused = await api.request("POST", "/devices", {});
  expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
});

test("its files need no key, its data does", async () => {
  const locked = await openTestApi({ config: { dashboardRoot: root, requireCredentials: true } });
  expect((await locked.request("GET", "/devices/pump-4")).status).toBe(200);
  expect((await locked.request("GET", "/assets/app-1a2b3c.js")).status).toBe(200);
  expect((await locked.request("GET", "/v1/devices")).status).toBe(401);
  await locked.close();
});

test("without a built dashboard there is none", async () => {
  const bare = await openTestApi({ config: { dashboardRoot: join(root, "gone") } });
  expect((await bare.request("GET", "/")).status).toBe(404);
  await bare.close();
});
