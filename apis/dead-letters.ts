/** Messages that could not be processed or are in quarantine: found, looked at, and sent again, once. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { DeadLetterEvent } from "../ports/fleet-index/port.ts";
import { letterIdOf, letterPlaceOf } from "./dead-letter-id.ts";
import {
  aDeadLetter,
  DeadLetter,
  filterOf,
  letterFilter,
  letterView,
  OutcomeView,
  takenWords,
  wordsOf,
} from "./dead-letter-view.ts";
import type { ApiEnv, ApiParts, Caller } from "./parts.ts";
import { Problem, unknownDevice } from "./problem.ts";
import { optionalJson, refuseDeepJson } from "./request-body.ts";
import { abandonedMs, type ResendAnswer, type ResendRequest, sendAgain } from "./resend.ts";
import { AnyJson, answer, body, noParameters, pageOf, paging, parameters, problems, rawBody } from "./route.ts";

const tags = ["Dead letters"];

/** Letters of one call, and letters that a filter looks through for them. */
const maxLetters = 100;
const maxLookedAt = 1_000;

const DeadLetterPage = pageOf("DeadLetterPage", DeadLetter, aDeadLetter);

const letterParameter = z.object({
  id: z
    .string()
    .max(512)
    .openapi({ param: { name: "id", in: "path" }, description: "Id of the dead letter", example: aDeadLetter.id }),
});

const SentAgain = z
  .object({
    id: z.string(),
    outcome: OutcomeView,
    detail: z.string().openapi({ description: "The same in words" }),
    tries: z
      .int()
      .openapi({ description: "More than 1: earlier ones ended without a word, and this one finished them" }),
    deadLetters: z
      .string()
      .nullable()
      .openapi({ description: "Where the new dead letters are listed, moments later; null if there are none" }),
  })
  .openapi("SentAgain", {
    example: {
      id: aDeadLetter.id,
      outcome: { kind: "counted", accepted: 1, duplicates: 0, refused: 0 },
      detail: "1 message was accepted.",
      tries: 1,
      deadLetters: null,
    },
  });

const override = z.boolean().default(false).openapi({
  description: "Let in, with flags, what quality rules would put in quarantine: somebody knows that it is true",
});

const ResendBody = z
  .strictObject({
    payload: AnyJson.optional().openapi({ description: "The corrected payload as JSON" }),
    payloadBase64: z.base64().optional().openapi({ description: "The corrected payload, byte by byte" }),
    override,
  })
  .refine(({ payload, payloadBase64 }) => payload === undefined || payloadBase64 === undefined, {
    error: "takes payload or payloadBase64, not both",
  })
  .openapi("Resend", {
    description: "Without a payload the dead letter's own is sent.",
    example: { payload: { ts: 1795262400000, seq: 17, readings: { latitude: 52.52 } } },
  });

const ResendManyBody = z
  .strictObject({
    ids: z.array(z.string().max(512)).min(1).max(maxLetters).optional(),
    filter: z
      .strictObject(letterFilter)
      .optional()
      .openapi({ description: "As in the list. Letters that were sent again before are passed over." }),
    cursor: z.string().max(1_024).optional().openapi({ description: "With a filter: `next` of the call before" }),
    limit: z.int().min(1).max(maxLetters).default(maxLetters),
    override,
  })
  .refine(({ ids, filter }) => (ids === undefined) !== (filter === undefined), { error: "takes ids or a filter" })
  .openapi("ResendMany", { example: { filter: { device: "pump-4", rule: "latitude" }, limit: 100, override: true } });

const statuses = ["sent", "alreadySent", "unsendable", "unknownLetter", "unknownDevice", "unclear"] as const;
const SentAgainEach = z
  .object({
    items: z.array(
      z.object({
        id: z.string(),
        status: z.enum(statuses),
        detail: z.string(),
        outcome: OutcomeView.nullable(),
      }),
    ),
    next: z.string().nullable().openapi({ description: "With a filter: where to go on; null: there are no more" }),
  })
  .openapi("SentAgainEach", {
    example: {
      items: [
        {
          id: aDeadLetter.id,
          status: "sent",
          detail: "1 message was accepted.",
          outcome: { kind: "counted", accepted: 1, duplicates: 0, refused: 0 },
        },
      ],
      next: null,
    },
  });

const list = createRoute({
  method: "get",
  path: "/v1/dead-letters",
  tags,
  summary: "Messages that could not be processed, each with its reason, newest first",
  request: { query: parameters({ ...letterFilter, ...paging }) },
  responses: { 200: answer("A page of dead letters", DeadLetterPage), ...problems() },
});

const read = createRoute({
  method: "get",
  path: "/v1/dead-letters/{id}",
  tags,
  summary: "A dead letter, whole, and what became of it",
  request: { params: letterParameter, query: noParameters },
  responses: { 200: answer("The dead letter", DeadLetter), ...problems(404) },
});

const resend = createRoute({
  method: "post",
  path: "/v1/dead-letters/{id}/resend",
  tags,
  summary: "Send a dead letter again, as it was or corrected, once",
  request: {
    params: letterParameter,
    query: noParameters,
    // Read by the handler: a body may be missing, whatever its content type says.
    body: { ...rawBody("Resend"), required: false },
  },
  responses: { 200: answer("It was sent; the outcome says what came of it", SentAgain), ...problems(404, 409, 413) },
});

const resendMany = createRoute({
  method: "post",
  path: "/v1/dead-letters/resend",
  tags,
  summary: "Send several dead letters again as they were, oldest first; answered one by one",
  request: { query: noParameters, body: body(ResendManyBody) },
  responses: { 200: answer("What came of each", SentAgainEach), ...problems(413, 415) },
});

export function serveDeadLetters(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  app.openAPIRegistry.register("Resend", ResendBody);
  const { fleet, resends } = parts;

  app.openapi(list, async (c) => {
    const { cursor = null, limit, ...filter } = c.req.valid("query");
    const { items, next } = await fleet.deadLetters(filterOf(filter), { cursor, limit });
    const sent = await resends.find(items.map(letterIdOf));
    return c.json({ items: items.map((letter) => letterView(letter, sent.get(letterIdOf(letter)))), next }, 200);
  });

  app.openapi(read, async (c) => {
    const { id } = c.req.valid("param");
    const letter = await letterOf(parts, id);
    if (letter === null) throw unknownLetter(id);
    return c.json(letterView(letter, (await resends.find([id])).get(id)), 200);
  });

  app.openapi(resendMany, async (c) => {
    const { ids, filter, cursor = null, limit, override } = c.req.valid("json");
    const request = { by: nameOf(c.var.caller), payload: null, override };
    const items: z.infer<typeof SentAgainEach>["items"] = [];
    const { letters, unknown, next } =
      ids === undefined ? await unsent(parts, filterOf(filter ?? {}), cursor, limit) : await named(parts, ids);
    for (const id of unknown)
      items.push({ id, status: "unknownLetter", detail: unknownLetter(id).message, outcome: null });
    // A device's messages in the order in which they came.
    for (const letter of letters.toSorted(oldestFirst)) {
      const answer = await sendAgain(parts, letter, request);
      if (answer.kind === "unclear") logUnclear(parts, answer.cause);
      items.push({ id: letterIdOf(letter), ...eachOf(answer, letter.device) });
    }
    return c.json({ items, next }, 200);
  });

  app.openapi(resend, async (c) => {
    const { id } = c.req.valid("param");
    const request = await requestOf(c);
    const letter = await letterOf(parts, id);
    if (letter === null) throw unknownLetter(id);
    const answer = await sendAgain(parts, letter, request);
    switch (answer.kind) {
      case "sent": {
        const { outcome, tries, askedAtMs } = answer;
        const isRefused = outcome.kind === "refused" || (outcome.kind === "counted" && outcome.refused > 0);
        const deadLetters = `/v1/dead-letters?device=${letter.device}&from=${askedAtMs}`;
        return c.json(
          { id, outcome: { ...outcome }, detail: wordsOf(outcome), tries, deadLetters: isRefused ? deadLetters : null },
          200,
        );
      }
      case "unknownDevice":
        throw unknownDevice(letter.device);
      case "unclear":
        logUnclear(parts, answer.cause);
        throw new Problem("unavailable", unclear);
      default:
        throw new Problem("conflict", eachOf(answer, letter.device).detail);
    }
  });
}

const unclear = `It may have been sent: the answer did not come. The same request, after ${abandonedMs / 1_000} s, finishes it without sending anything twice.`;

/** As one of many. */
function eachOf(answer: ResendAnswer, device: string): Omit<z.infer<typeof SentAgainEach>["items"][number], "id"> {
  switch (answer.kind) {
    case "sent":
      return { status: "sent", detail: wordsOf(answer.outcome), outcome: { ...answer.outcome } };
    case "taken":
      return {
        status: "alreadySent",
        detail: takenWords(answer.resend),
        outcome: answer.resend.settled === null ? null : { ...answer.resend.settled.outcome },
      };
    case "unsendable":
      return { status: "unsendable", detail: answer.detail, outcome: null };
    case "unknownDevice":
      return { status: "unknownDevice", detail: unknownDevice(device).message, outcome: null };
    case "unclear":
      return { status: "unclear", detail: unclear, outcome: null };
  }
}

async function letterOf({ fleet }: ApiParts, id: string): Promise<DeadLetterEvent | null> {
  const place = letterPlaceOf(id);
  return place === null ? null : fleet.deadLetter(place);
}

type Chosen = {
  readonly letters: readonly DeadLetterEvent[];
  readonly unknown: readonly string[];
  readonly next: string | null;
};

async function named(parts: ApiParts, ids: readonly string[]): Promise<Chosen> {
  const found = await Promise.all([...new Set(ids)].map(async (id) => ({ id, letter: await letterOf(parts, id) })));
  const letters = found.flatMap(({ letter }) => (letter === null ? [] : [letter]));
  return { letters, unknown: found.filter(({ letter }) => letter === null).map(({ id }) => id), next: null };
}

/** The newest of the filter that nobody has asked to send again. */
async function unsent(
  { fleet, resends }: ApiParts,
  filter: ReturnType<typeof filterOf>,
  cursor: string | null,
  limit: number,
): Promise<Chosen> {
  const letters: DeadLetterEvent[] = [];
  let next = cursor;
  for (let looked = 0; letters.length < limit && looked < maxLookedAt; looked += limit) {
    // No more than are still wanted: the cursor stands behind the last one looked at.
    const page = await fleet.deadLetters(filter, { cursor: next, limit: limit - letters.length });
    const sent = await resends.find(page.items.map(letterIdOf));
    letters.push(...page.items.filter((letter) => !sent.has(letterIdOf(letter))));
    next = page.next;
    if (next === null) break;
  }
  return { letters, unknown: [], next };
}

function oldestFirst(a: DeadLetterEvent, b: DeadLetterEvent): number {
  return a.record.atMs - b.record.atMs || a.offset - b.offset;
}

async function requestOf(c: Context<ApiEnv>): Promise<ResendRequest> {
  const { payload, payloadBase64, override } = await optionalJson(c, ResendBody);
  return { by: nameOf(c.var.caller), payload: bytesOf(payload, payloadBase64), override };
}

function bytesOf(json: unknown, base64: string | undefined): Uint8Array | null {
  if (base64 !== undefined) {
    const bytes = new Uint8Array(Buffer.from(base64, "base64"));
    refuseDeepJson(bytes);
    return bytes;
  }
  return json === undefined ? null : new TextEncoder().encode(JSON.stringify(json));
}

function nameOf(caller: Caller): string {
  return caller.kind === "app" ? caller.name : "anyone";
}

function logUnclear({ log }: ApiParts, cause: unknown): void {
  log.warn({ err: cause }, "a dead letter was sent again, and no answer came");
}

function unknownLetter(id: string): Problem {
  return new Problem(
    "not-found",
    `There is no dead letter ${id.slice(0, 80)}. It may be older than events are kept; GET /v1/dead-letters lists those that there are.`,
  );
}
