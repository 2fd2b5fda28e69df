import { inspect } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestApi, type TestApi } from "./testing.ts";

/** How many bodies are sent in all; `DOPPEL_FUZZ_SEED` repeats a run. */
const bodies = Number(process.env.DOPPEL_FUZZ_BODIES ?? 10_000);
/** Requests under way together. */
const atOnce = 10;
const seed = Number(process.env.DOPPEL_FUZZ_SEED ?? 20_261_121);

type Route = {
  readonly method: string;
  readonly path: string;
  readonly example: unknown;
  readonly types: readonly string[];
};
type Schema = { $ref?: string; example?: unknown };

let api: TestApi;
let routes: Route[];
beforeAll(async () => {
  api = await openTestApi();
  const { body } = await api.json("GET", "/openapi.json");
  const exampleOf = ({ $ref, example }: Schema): unknown =>
    $ref === undefined ? example : body.components.schemas[$ref.replace("#/components/schemas/", "")].example;
  routes = Object.entries(
    body.paths as Record<string, Record<string, { requestBody?: { content: Record<string, { schema: Schema }> } }>>,
  ).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => method !== "get")
      .map(([method, { requestBody }]) => {
        const content = requestBody?.content ?? {};
        const schema = Object.values(content)[0]?.schema;
        const example = schema === undefined ? {} : exampleOf(schema);
        return { method: method.toUpperCase(), path, example, types: Object.keys(content) };
      }),
  );
});
afterAll(() => api.close());

const oddStrings = fc.constantFrom(
  "",
  "\0",
  "\ud800",
  "__proto__",
  "constructor",
  "x".repeat(5_000),
  "../..",
  "%00",
  "💧",
  "-0",
  "1e999",
  "null",
);
const oddValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  oddStrings,
  fc.constantFrom(-1, 0, 1e308, Number.MAX_SAFE_INTEGER, 8.64e15, 8.65e15, null, true, [], {}, [[[[[[[[]]]]]]]]),
);
/** An example with one or two of its values, or keys, replaced by odd ones. */
function mutated(
  example: unknown,
  replacements: readonly { at: number; key: string | null; value: unknown }[],
): unknown {
  let copy = structuredClone(example);
  for (const { at, key, value } of replacements) {
    const places: { holder: Record<string, unknown>; name: string }[] = [];
    const walk = (holder: unknown): void => {
      if (typeof holder !== "object" || holder === null) return;
      for (const name of Object.keys(holder)) {
        places.push({ holder: holder as Record<string, unknown>, name });
        walk((holder as Record<string, unknown>)[name]);
      }
    };
    walk(copy);
    const place = places[at % (places.length + 1)];
    if (place === undefined) copy = structuredClone(value);
    else
      Object.defineProperty(place.holder, key ?? place.name, {
        value: structuredClone(value),
        enumerable: true,
        configurable: true,
        writable: true,
      });
  }
  return copy;
}

const replacement = fc.record({ at: fc.nat(50), key: fc.option(oddStrings, { nil: null, freq: 4 }), value: oddValues });
const payload = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("mutated" as const),
      replacements: fc.array(replacement, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("json" as const), text: fc.json({ maxDepth: 6 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("bytes" as const), bytes: fc.uint8Array({ maxLength: 300 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("cut" as const),
      at: fc.nat(200),
      insert: fc.string({ maxLength: 3, unit: "binary" }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("deep" as const),
      open: fc.constantFrom("[", '{"a":', '{"readings":[', '{"state":{"desired":'),
      times: fc.constantFrom(10, 100, 20_000),
    }),
  },
);

function bodyOf(
  example: unknown,
  from: typeof payload extends fc.Arbitrary<infer Payload> ? Payload : never,
): BodyInit {
  const text = typeof example === "string" ? example : JSON.stringify(example);
  switch (from.kind) {
    case "mutated":
      return JSON.stringify(mutated(example, from.replacements)) ?? "";
    case "json":
      return from.text;
    case "bytes":
      return from.bytes as Uint8Array<ArrayBuffer>;
    case "cut":
      return text.slice(0, from.at % (text.length + 1)) + from.insert + text.slice((from.at + 1) % (text.length + 1));
    case "deep":
      return from.open.repeat(from.times);
  }
}

const request = fc.record({
  route: fc.nat(1_000),
  device: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom("pump-4", "a", "b") },
    { weight: 1, arbitrary: oddStrings },
    { weight: 1, arbitrary: fc.string({ maxLength: 10 }) },
  ),
  payload,
  type: fc.nat(20),
  query: fc.option(
    fc.oneof(
      fc.constantFrom("name=net", "name=", "limit=1", "qos=1&retain=true", "name=%00", "%ff=%zz", "__proto__=1"),
      fc.webQueryParameters({ size: "small" }),
    ),
    { nil: "", freq: 3 },
  ),
  ifMatch: fc.option(fc.constantFrom('"1"', "*", 'W/"1"', "x"), { nil: undefined, freq: 5 }),
});
type Sent = typeof request extends fc.Arbitrary<infer Value> ? Value : never;

const otherTypes = ["application/json", "text/plain", "application/x-www-form-urlencoded", "nonsense", ""];

/** Sends one request; a fault of ours fails the test. */
async function send({ route: index, device, payload, type, query, ifMatch }: Sent): Promise<void> {
  const { method, path: pattern, example, types } = routes[index % routes.length] as Route;
  const part = encodeURIComponent(device.toWellFormed());
  const path = pattern.replaceAll(/\{\w+\}/g, part) + (query === "" ? "" : `?${query}`);
  // The route's own types more often than the others.
  const all = [...types, ...types, ...types, ...otherTypes];
  const headers = {
    "content-type": all[type % all.length] as string,
    ...(ifMatch !== undefined && { "if-match": ifMatch }),
  };
  const url = `http://127.0.0.1:8080${path}`;
  const response = await api.fetch(new Request(url, { method, headers, body: bodyOf(example, payload) }));
  const text = await response.text();
  expect(response.status, `${method} ${path} ${text} ${inspect(api.errors.at(-1))}`).toBeLessThan(500);
  if (response.status < 400) return;
  const aws = /^\/(things|topics|api\/things)\//.test(path);
  expect(JSON.parse(text), path).toMatchObject(aws ? { message: expect.any(String) } : { status: response.status });
}

/** What apps look at afterwards. */
const pages = [
  "/v1/devices?limit=1000",
  "/v1/devices/pump-4",
  "/v1/devices/pump-4/commands",
  "/v1/events?limit=1000",
  "/v1/dead-letters?limit=1000",
  "/v1/stats",
  "/v1/map",
  "/v1/device-types",
  "/v1/credentials",
  "/api/device/a/history",
];

test(`of ${bodies} odd bodies none is our fault, and the service goes on (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: atOnce, maxLength: atOnce }), async (requests) => {
      await Promise.all(requests.map(send));
    }),
    { numRuns: Math.ceil(bodies / atOnce), seed },
  );
  // A turn that fails is a dead letter and an entry in the log: none may.
  expect(api.errors).toEqual([]);
  await api.request("POST", "/v1/devices", { id: "pump-4" });
  await api.project();
  for (const path of pages) expect((await api.json("GET", path)).status, path).toBe(200);
});
