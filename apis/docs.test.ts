import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

type Schema = { $ref?: string; example?: unknown; anyOf?: Schema[]; allOf?: Schema[] };
type Operation = {
  summary?: string;
  parameters?: { name: string; schema: object }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
};

async function document() {
  const { body } = await api.json("GET", "/openapi.json");
  const paths = body.paths as Record<string, Record<string, Operation>>;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  );
  return { body, operations };
}

describe("the description of the API", () => {
  test("is OpenAPI 3.1 and describes every route", async () => {
    const { body, operations } = await document();
    expect(body.openapi).toBe("3.1.0");
    expect(operations.map(({ name }) => name).sort()).toMatchInlineSnapshot(`
      [
        "DELETE /things/{thing}/shadow",
        "DELETE /v1/credentials/{id}",
        "DELETE /v1/device-types/{type}",
        "DELETE /v1/device-types/{type}/quality",
        "DELETE /v1/device-types/{type}/retention",
        "DELETE /v1/devices/{id}",
        "DELETE /v1/devices/{id}/shadow",
        "DELETE /v1/exports/{id}",
        "GET /api/dashboard/stats",
        "GET /api/device/{id}/history",
        "GET /api/device/{id}/latest",
        "GET /api/devices",
        "GET /api/things/shadow/ListNamedShadowsForThing/{thing}",
        "GET /health/devices",
        "GET /health/services",
        "GET /health/system",
        "GET /metrics",
        "GET /things/{thing}/shadow",
        "GET /v1/cluster",
        "GET /v1/credentials",
        "GET /v1/dead-letters",
        "GET /v1/dead-letters/{id}",
        "GET /v1/device-types",
        "GET /v1/device-types/{type}",
        "GET /v1/device-types/{type}/quality",
        "GET /v1/device-types/{type}/retention",
        "GET /v1/device-types/{type}/schemas",
        "GET /v1/device-types/{type}/schemas/{version}",
        "GET /v1/devices",
        "GET /v1/devices/{id}",
        "GET /v1/devices/{id}/commands",
        "GET /v1/devices/{id}/commands/{command}",
        "GET /v1/devices/{id}/events",
        "GET /v1/devices/{id}/metrics",
        "GET /v1/devices/{id}/shadow",
        "GET /v1/devices/{id}/shadows",
        "GET /v1/devices/{id}/telemetry",
        "GET /v1/events",
        "GET /v1/exports",
        "GET /v1/exports/{id}",
        "GET /v1/exports/{id}/files/{name}",
        "GET /v1/live",
        "GET /v1/map",
        "GET /v1/quality",
        "GET /v1/query",
        "GET /v1/sink-dead-letters",
        "GET /v1/stats",
        "PATCH /v1/devices/{id}",
        "PATCH /v1/devices/{id}/shadow",
        "POST /things/{thing}/shadow",
        "POST /topics/{topic}",
        "POST /v1/credentials",
        "POST /v1/dead-letters/resend",
        "POST /v1/dead-letters/{id}/resend",
        "POST /v1/devices",
        "POST /v1/devices/import",
        "POST /v1/devices/{id}/commands",
        "POST /v1/devices/{id}/commands/{command}/cancel",
        "POST /v1/devices/{id}/telemetry",
        "POST /v1/exports",
        "PUT /v1/device-types/{type}",
        "PUT /v1/device-types/{type}/quality",
        "PUT /v1/device-types/{type}/retention",
        "PUT /v1/device-types/{type}/schemas",
      ]
    `);
  });

  test("gives each route a summary, and each answer a schema with an example", async () => {
    const { body, operations } = await document();
    const resolve = (schema: Schema): Schema =>
      schema.$ref === undefined ? schema : body.components.schemas[schema.$ref.replace("#/components/schemas/", "")];
    const hasExample = (schema: Schema): boolean => {
      const { example, anyOf, allOf } = resolve(schema);
      return example !== undefined || (anyOf ?? allOf ?? []).some(hasExample);
    };
    for (const { name, operation } of operations) {
      expect(operation.summary, name).toBeTruthy();
      const bodies = [operation.requestBody, ...Object.values(operation.responses)].flatMap((each) =>
        Object.values(each?.content ?? {}),
      );
      for (const { schema } of bodies)
        expect(hasExample(schema), `${name} has an example for ${JSON.stringify(schema)}`).toBe(true);
    }
  });

  test("names the refusals of each route as problem documents, on AWS's paths in AWS's form", async () => {
    const { operations } = await document();
    for (const { name, operation } of operations) {
      const refused = operation.responses["400"]?.content ?? {};
      const aws = / \/(things|topics|api\/things)\//.test(name);
      expect(Object.keys(refused), name).toEqual([aws ? "application/json" : "application/problem+json"]);
    }
  });

  test("refers only to schemas that it has", async () => {
    const { body } = await document();
    const references = [...JSON.stringify(body).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(50);
    for (const [, kind, name] of references) expect(body.components[kind as string]).toHaveProperty(name as string);
  });

  test("describes each path parameter of each path", async () => {
    const { operations } = await document();
    for (const { name, operation } of operations) {
      const named = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
      const described = (operation.parameters ?? []).map((parameter) => parameter.name);
      expect(described, name).toEqual(expect.arrayContaining(named));
    }
  });
});

describe("the page of it", () => {
  test("needs nothing from elsewhere", async () => {
    const page = await api.request("GET", "/docs");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
    const text = await page.text();
    expect(text).not.toMatch(/https?:\/\//);
    for (const [, path] of text.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)) {
      expect((await api.request("GET", path as string)).status, path).toBe(200);
    }
  });

  test("serves nothing else of the package", async () => {
    expect((await api.request("GET", "/docs/package.json")).status).toBe(404);
    expect((await api.request("GET", "/docs/..%2Fpackage.json")).status).toBe(404);
  });
});
