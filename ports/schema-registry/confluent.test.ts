import { createServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { apicurioIsHere, testApicurio } from "../../deploy/native/testing.ts";
import { openRecordCodec, openRecordReader } from "../record-codec/codec.ts";
import { testAuthority } from "../tls/testing.ts";
import { openConfluentSchemaRegistry } from "./confluent.ts";
import { schemaRegistryContract } from "./contract.ts";
import { RegistryAway } from "./port.ts";

describe.skipIf(!apicurioIsHere)("with a server", { timeout: 300_000 }, () => {
  schemaRegistryContract("Apicurio Registry", async () => {
    const { url, close } = await testApicurio();
    return {
      registry: openConfluentSchemaRegistry({ url }),
      other: openConfluentSchemaRegistry({ url: `${url}/` }),
      close,
    };
  });

  test("the log's schemas are registered in it, and a reader elsewhere has them from there", async () => {
    const { url, prefix } = await testApicurio();
    const codec = await openRecordCodec(openConfluentSchemaRegistry({ url }), { prefix });
    await openRecordCodec(openConfluentSchemaRegistry({ url }), { prefix });
    const record = { kind: "seen", atMs: 1, why: "heartbeat" } as const;
    const value = codec.encode({ id: "a", record });
    const reader = openRecordReader(openConfluentSchemaRegistry({ url }));
    await reader.learnFrom([value]);
    expect(reader.decode(Buffer.from("pump"), value, 0)).toEqual({ offset: 0, id: "a", device: "pump", record });
  });
});

describe("a registry that is not well", () => {
  test("one that nobody answers for is away, in words that name it", async () => {
    const registry = openConfluentSchemaRegistry({ url: "http://127.0.0.1:1/apis" });
    const failure = await registry.schema(1).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RegistryAway);
    expect((failure as Error).message).toContain("The schema registry at http://127.0.0.1:1/apis does not answer:");
  });

  test.each([
    [
      500,
      '{"error_code":50001,"message":"the store is away"}',
      "answered GET /schemas/ids/1 with 500: the store is away",
    ],
    [200, "<html>", "does not answer: Unexpected token"],
    [200, "{}", "answered GET /schemas/ids/1 with 200"],
  ])("one that answers with %s and %s is away", async (status, body, words) => {
    const { url } = await aServer(status, body);
    const failure = await openConfluentSchemaRegistry({ url })
      .schema(1)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RegistryAway);
    expect((failure as Error).message).toContain(words);
  });

  test("one that hangs is away after its time", async () => {
    const { url } = await aServer(200, null);
    const registry = openConfluentSchemaRegistry({ url, timeoutMs: 50 });
    await expect(registry.schema(1)).rejects.toBeInstanceOf(RegistryAway);
  });

  test("user and password of its URL are sent, and not told", async () => {
    const { url, asked } = await aServer(401, '{"message":"who are you?"}');
    const failure = await openConfluentSchemaRegistry({ url: url.replace("//", "//doppel:s%20cret@") })
      .schema(1)
      .catch((error: unknown) => error);
    expect((failure as Error).message).not.toContain("cret");
    expect(asked).toEqual([`Basic ${Buffer.from("doppel:s cret").toString("base64")}`]);
  });
});

describe("a registry over TLS", () => {
  const authority = testAuthority(Date.now());

  async function aSecureServer(): Promise<string> {
    const server = createHttpsServer(authority.issue({ commonName: "registry" }), (request, response) => {
      const known = request.headers.authorization === `Basic ${Buffer.from("doppel:secret").toString("base64")}`;
      response.writeHead(known ? 200 : 401).end(known ? '{"schema":"\\"string\\""}' : "{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return `https://doppel:secret@127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test("is trusted under the authority that was named, and told who asks", async () => {
    const registry = openConfluentSchemaRegistry({ url: await aSecureServer(), ca: authority.cert });
    expect(await registry.schema(1)).toBe('"string"');
  });

  test("is not trusted under any other", async () => {
    const url = await aSecureServer();
    for (const ca of [undefined, testAuthority(Date.now(), "Somebody else").cert]) {
      const registry = openConfluentSchemaRegistry({ url, ...(ca !== undefined && { ca }) });
      await expect(registry.schema(1)).rejects.toThrow(/does not answer: .*certificate/);
    }
  });
});

/** @param body null: no answer at all */
async function aServer(status: number, body: string | null): Promise<{ url: string; asked: (string | undefined)[] }> {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization);
    if (body !== null) response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
