/** What the descriptions of routes have in common: parameters, paging, answers and refusals. */
import { z } from "@hono/zod-openapi";
import { deviceIdPattern } from "../core/device/registration.ts";
import { shadowNamePattern } from "../core/device/shadow-limits.ts";
import { ProblemDocument, type ProblemStatus } from "./problem.ts";

/** The query parameters of a route; any other is refused, with the list of those that there are. */
export function parameters<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = Object.keys(shape);
  const allowed = names.length === 0 ? "it takes none" : `it takes ${names.join(", ")}`;
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `Unknown query parameter ${(issue.keys ?? []).map((key) => JSON.stringify(key)).join(", ")}; ${allowed}.`
        : undefined,
  });
}

/** No query parameters at all. */
export const noParameters = parameters({});

/** A JSON answer. */
export function answer<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, content: { "application/json": { schema } } };
}

/** A JSON body of a request. */
export function body<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: { "application/json": { schema } } };
}

/**
 * A body that the twin reads itself, so that HTTP and MQTT have the same rules. It is only described: by the component
 * of this name, which has to be registered.
 */
export function rawBody(component: string) {
  return { required: true, content: { "application/json": { schema: { $ref: `#/components/schemas/${component}` } } } };
}

const reasons: Record<ProblemStatus, string> = {
  400: "The request is malformed; `errors` says where",
  401: "No API key, or one that is not valid",
  403: "Not allowed from this host or origin",
  404: "There is no such thing",
  405: "The path does not have this method",
  409: "The request contradicts what is there",
  412: "The version is no longer the one in If-Match",
  413: "The body is too large",
  415: "The body has a content type that the path does not take",
  426: "The path speaks WebSocket only",
  429: "Too much at a time",
  500: "A fault of ours",
  503: "A part that is needed is not there at the moment",
};

const always = [400, 401, 403, 500, 503] as const;

/** The refusals of a route: those named and those that every route has. */
export function problems<Status extends ProblemStatus>(...statuses: Status[]) {
  const described = [...new Set<ProblemStatus>([...always, ...statuses])]
    .sort()
    .map((status) => [
      status,
      { description: reasons[status], content: { "application/problem+json": { schema: ProblemDocument } } },
    ]);
  return Object.fromEntries(described) as {
    [S in Status | (typeof always)[number]]: {
      description: string;
      content: { "application/problem+json": { schema: typeof ProblemDocument } };
    };
  };
}

/** Text that PostgreSQL and every terminal can hold: no control characters, no halves of surrogate pairs. */
export function plainText(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .refine((text) => text.isWellFormed() && !controlCharacter.test(text), {
      error: "must not hold control characters or lone surrogates",
    });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
const controlCharacter = /[\u0000-\u001f\u007f]/;

export const DeviceId = z
  .string()
  .regex(deviceIdPattern, "a device id is 1 to 128 of a-z A-Z 0-9 : _ -")
  .openapi({ example: "pump-4" });

export const deviceParameter = z.object({
  id: DeviceId.openapi({ param: { name: "id", in: "path" }, description: "Device id" }),
});

export const ShadowName = z
  .string()
  .regex(shadowNamePattern, "a shadow's name is 1 to 64 of a-z A-Z 0-9 : _ -")
  .optional()
  .openapi({ example: "settings", description: "Name of the shadow; without it, the classic shadow" });

export const paging = {
  cursor: z.string().max(1_024).optional().openapi({ description: "`next` of the page before", example: "cHVtcC00" }),
  limit: wholeNumber(1, 1_000).default(100).openapi({ description: "Most items of the page", example: 100 }),
};

/** A page of `items`. */
export function pageOf<Item extends z.ZodType>(name: string, item: Item, example: unknown) {
  return z
    .object({
      items: z.array(item),
      next: z.string().nullable().openapi({ description: "Cursor of the following page; null on the last" }),
    })
    .openapi(name, { example: { items: [example], next: null } as never });
}

/** A whole number in a query parameter. */
export function wholeNumber(min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,16}$/, `needs a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.int().min(min).max(max))
    .openapi({ type: "integer", minimum: min, maximum: max });
}

/** `true` or `false` in a query parameter. */
export const flag = z
  .enum(["true", "false"])
  .transform((text) => text === "true")
  .openapi({ type: "boolean" });

export const Timestamp = z.iso
  .datetime({ offset: true })
  .openapi({ description: "ISO 8601, UTC", example: "2026-11-21T12:00:00.000Z" });

/** A time in a query parameter: ISO 8601 (UTC if it names no zone) or epoch milliseconds; gives epoch ms. */
export const Moment = z
  .string()
  .max(40)
  .transform((text, context) => {
    const ms = /^\d{1,15}$/.test(text) ? Number(text) : isoTime.test(text) ? Date.parse(zoned(text)) : Number.NaN;
    if (Number.isFinite(ms) && ms >= 0 && ms <= maxEpochMs) return ms;
    context.addIssue({
      code: "custom",
      message: "needs ISO 8601, such as 2026-11-21T12:00:00Z, or epoch milliseconds",
    });
    return z.NEVER;
  })
  .openapi({ type: "string", example: "2026-11-21T12:00:00Z", description: "ISO 8601 or epoch milliseconds" });

const maxEpochMs = 8.64e15;
const isoTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/** A `+` of a time zone that nobody encoded arrives as a space, which the pattern refuses with the reason. */
function zoned(text: string): string {
  return /T/.test(text) && !/(Z|[+-]\d\d:?\d\d)$/.test(text) ? `${text}Z` : text;
}

/** Epoch ms as ISO 8601; a time that no date can hold is shown as the last one that it can. */
export function iso(epochMs: number): string {
  return new Date(Math.min(Math.max(epochMs, -maxEpochMs), maxEpochMs)).toISOString();
}

/** Any JSON value, taken as it is. */
export const AnyJson = z.unknown().openapi({ description: "Any JSON value" });
