/**
 * The bodies of requests, checked before a handler sees them: their size, that they are JSON at all, and that they
 * are not nested so deep that walking them could exhaust the stack.
 */
import type { z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { jsonErrorPosition } from "./json-position.ts";
import { Problem } from "./problem.ts";

/** Deeper than any payload that a twin takes (a shadow has 6 levels). */
export const maxJsonDepth = 64;

/** Reads the body, for all who ask the context for it later; refuses one of more than `maxBytes`. */
export function limitBody(maxBytes: number): MiddlewareHandler {
  const refuse = () => {
    throw new Problem("too-large", `The body is over ${maxBytes} bytes, the most that a request may have.`);
  };
  // Hono's own body-limit makes a new Request of the old one, which the Node server's requests do not survive.
  return async (c, next) => {
    if (Number(c.req.header("content-length") ?? 0) > maxBytes) refuse();
    if (c.req.raw.body !== null) {
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of c.req.raw.body) {
        bytes += chunk.length;
        if (bytes > maxBytes) refuse();
        chunks.push(chunk);
      }
      // The cache holds promises, whatever its type says.
      const whole: unknown = Promise.resolve(Uint8Array.from(Buffer.concat(chunks)).buffer);
      c.req.bodyCache.arrayBuffer = whole as ArrayBuffer;
    }
    await next();
  };
}

/** Refuses a body that says it is JSON and is not, with the place where it stops being JSON. */
export function wellFormedJson(): MiddlewareHandler {
  return async (c, next) => {
    const type = c.req.header("content-type") ?? "";
    if (/^application\/([\w.-]+\+)?json\b/i.test(type)) {
      const bytes = await c.req.bytes();
      // Clients name a type for no body at all too; who needs one says so.
      if (bytes.length > 0) checkJson(bytes);
    }
    await next();
  };
}

/** The body as bytes that are well-formed JSON, whatever its content type says. Throws `Problem`. */
export async function jsonBytes(c: Context): Promise<Uint8Array> {
  const bytes = await c.req.bytes();
  checkJson(bytes);
  return bytes;
}

/** The body read by `schema`, or what `schema` makes of `{}` if there is none. Throws `Problem` and ZodError. */
export async function optionalJson<Schema extends z.ZodType>(c: Context, schema: Schema): Promise<z.infer<Schema>> {
  const bytes = await c.req.bytes();
  if (bytes.length === 0) return schema.parse({});
  checkJson(bytes);
  return schema.parse(JSON.parse(utf8.decode(bytes)));
}

export const emptyBody = "The body is empty. Send a JSON document.";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Throws the `Problem` that says what keeps the bytes from being JSON that we take. */
export function checkJson(bytes: Uint8Array): void {
  if (bytes.length === 0) throw new Problem("malformed-json", emptyBody);
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new Problem("malformed-json", "The body is not valid UTF-8. Send JSON encoded as UTF-8.");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const place = jsonErrorPosition(text);
    const detail =
      place === null
        ? "The body is not valid JSON."
        : `The body is not valid JSON: unexpected ${place.found} at line ${place.line}, column ${place.column}.`;
    throw new Problem("malformed-json", detail);
  }
  refuseDeep(value);
}

/** For a body that need not be JSON, but that somebody may read as JSON: refuses it if it is nested too deep. */
export function refuseDeepJson(bytes: Uint8Array): void {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return; // Nobody can read it as JSON.
  }
  refuseDeep(value);
}

function refuseDeep(value: unknown): void {
  if (isDeeperThan(value, maxJsonDepth)) {
    throw new Problem("invalid-request", `The body is nested deeper than ${maxJsonDepth} levels.`);
  }
}

/** Whether objects and arrays are nested in more than `levels` levels; level by level, without recursion. */
function isDeeperThan(value: unknown, levels: number): boolean {
  let level = [value].filter(isContainer);
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > levels) return true;
    level = level.flatMap((container) => Object.values(container).filter(isContainer));
  }
  return false;
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
