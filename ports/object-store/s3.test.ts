import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { s3IsHere, type TestS3, testS3 } from "../../deploy/native/testing.ts";
import { objectStoreContract } from "./contract.ts";
import { StoreAway } from "./port.ts";
import { openS3Store } from "./s3.ts";

async function aBucket(): Promise<TestS3> {
  const s3 = await testS3();
  onTestFinished(() => s3.close());
  return s3;
}

const quick = { timeoutMs: 300, attempts: 2, credentials: { accessKeyId: "a", secretAccessKey: "b" } };

async function aServer(answer: RequestListener): Promise<string> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe.skipIf(!s3IsHere)("with a server", () => {
  objectStoreContract("S3", async () => {
    const { bucket, ...options } = await aBucket();
    return openS3Store(bucket, "a/prefix", options);
  });

  test("on a server of one's own the first put makes the bucket", async () => {
    const { bucket, ...options } = await aBucket();
    const store = openS3Store(`${bucket}-new`, "a", options);
    expect(await store.put("b", Buffer.from("c"))).toBe("stored");
    expect(await store.put("b", Buffer.from("d"))).toBe("exists");
    expect(Buffer.from(await store.get("b")).toString()).toBe("c");
    await store.delete("b");
  });

  test("a server without lifecycles is reported, with its own words", async () => {
    const { bucket, ...options } = await aBucket();
    const outcome = await openS3Store(bucket, "", options).setLifecycle("telemetry/", 400);
    expect(outcome).toMatchObject({ kind: "unsupported", detail: expect.stringContaining("501") });
  });

  test("a missing bucket and a wrong key are told as what they are", async () => {
    const { bucket, ...options } = await aBucket();
    await expect(openS3Store("no-such-bucket", "", options).get("a")).rejects.toThrow("Make the bucket.");
    const credentials = { ...options.credentials, secretAccessKey: "wrong" };
    const refused = openS3Store(bucket, "", { ...options, credentials }).put("a", new Uint8Array(1));
    await expect(refused).rejects.toThrow("Check the access key");
  });

  test("a bucket of more objects than a page is listed whole", async () => {
    const { bucket, ...options } = await aBucket();
    const store = openS3Store(bucket, "", options);
    const keys = Array.from({ length: 1_010 }, (_, index) => `n/${String(index).padStart(5, "0")}`);
    for (let from = 0; from < keys.length; from += 50) {
      await Promise.all(keys.slice(from, from + 50).map((key) => store.put(key, new Uint8Array(1))));
    }
    const listed: string[] = [];
    for await (const { key } of store.list("n/")) listed.push(key);
    expect(listed).toEqual(keys);
    for (const key of keys.slice(900)) await store.delete(key);
  });
});

test("a server that is not there is told as away", async () => {
  const store = openS3Store("fleet", "", { ...quick, endpoint: "http://127.0.0.1:1" });
  await expect(store.get("a")).rejects.toThrow(StoreAway);
  await expect(store.size("a")).rejects.toThrow("s3://fleet");
});

test("a server that never answers is given up", async () => {
  const endpoint = await aServer(() => {});
  await expect(openS3Store("fleet", "", { ...quick, endpoint }).put("a", new Uint8Array(1))).rejects.toThrow(StoreAway);
});

test("a server that fails for a moment is tried again", async () => {
  let calls = 0;
  const endpoint = await aServer((_, response) => {
    calls += 1;
    response.writeHead(calls === 1 ? 503 : 200).end();
  });
  expect(await openS3Store("fleet", "", { ...quick, endpoint }).put("a", new Uint8Array(1))).toBe("stored");
  expect(calls).toBe(2);
});

test("a conflict with another writer counts as theirs only when the object is there", async () => {
  let isThere = false;
  const endpoint = await aServer(({ method }, response) => {
    if (method === "HEAD") return void response.writeHead(isThere ? 200 : 404).end();
    const body = "<Error><Code>ConditionalRequestConflict</Code><Message>conflict</Message></Error>";
    response.writeHead(409, { "content-type": "application/xml" }).end(body);
  });
  const store = openS3Store("fleet", "", { ...quick, endpoint });
  await expect(store.put("a", new Uint8Array(1))).rejects.toThrow(StoreAway);
  isThere = true;
  expect(await store.put("a", new Uint8Array(1))).toBe("exists");
});

test("rules of others in a bucket stay as they are when ours is set", async () => {
  let stored = "";
  const other = "<Rule><ID>theirs</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter></Rule>";
  const endpoint = await aServer(async (request, response) => {
    if (request.method === "PUT") for await (const chunk of request) stored += chunk;
    const xml = `<LifecycleConfiguration>${other}</LifecycleConfiguration>`;
    response.writeHead(200, { "content-type": "application/xml" }).end(request.method === "GET" ? xml : "");
  });
  const store = openS3Store("fleet", "history", { ...quick, endpoint });
  expect(await store.setLifecycle("telemetry/", 400)).toEqual({ kind: "set" });
  expect(stored).toContain("<ID>theirs</ID>");
  expect(stored).toContain("<Prefix>history/telemetry/</Prefix>");
  expect(stored).toContain("<Days>400</Days>");
});
