/** What the storage of a sink has refused: the rest of its batch went on. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { SinkDeadLetter } from "../ports/sink-dead-letters/port.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem } from "./problem.ts";
import { answer, iso, pageOf, paging, parameters, plainText, problems, Timestamp } from "./route.ts";

const aSinkDeadLetter = {
  sink: "timeseries",
  partition: "iot-telemetry/3",
  offset: 4711,
  part: "temperature",
  device: "pump-4",
  reason: "its time is -62200000000000 ms after 1970, which is before the year 1",
  content: '{"metric":"temperature","tsMs":-62200000000000,"value":21.5}',
  at: "2026-11-21T12:00:00.000Z",
};

const Letter = z
  .object({
    sink: z.string(),
    partition: z.string().nullable().openapi({ description: "Of the log; null: it has none (embedded mode)" }),
    offset: z.int().openapi({ description: "Of the record in the log" }),
    part: z.string().nullable().openapi({ description: "Which part of the record, e.g. a metric; null: all of it" }),
    device: z.string(),
    reason: z.string(),
    content: z.string().openapi({ description: "What was refused, as JSON; cut where it is very long" }),
    at: Timestamp.openapi({ description: "When it was set aside" }),
  })
  .openapi("SinkDeadLetter", { example: aSinkDeadLetter });

const list = createRoute({
  method: "get",
  path: "/v1/sink-dead-letters",
  tags: ["Dead letters"],
  summary: "Parts of records that a sink's storage refused, each with its reason, newest first",
  request: {
    query: parameters({ sink: plainText(64).min(1).optional().openapi({ example: "timeseries" }), ...paging }),
  },
  responses: {
    200: answer("A page of what was refused", pageOf("SinkDeadLetterPage", Letter, aSinkDeadLetter)),
    ...problems(),
  },
});

export function serveSinkDeadLetters(app: OpenAPIHono<ApiEnv>, { sinkDeadLetters }: ApiParts): void {
  app.openapi(list, async (c) => {
    const { sink, cursor, limit } = c.req.valid("query");
    const letters = await sinkDeadLetters.list({
      // One more tells whether there is another page.
      limit: limit + 1,
      ...(sink !== undefined && { sink }),
      ...(cursor !== undefined && { after: numberOf(cursor) }),
    });
    const page = letters.slice(0, limit);
    const next = letters.length > limit ? String(page.at(-1)!.number) : null;
    return c.json({ items: page.map(letterView), next }, 200);
  });
}

function letterView({
  partition,
  part,
  atMs,
  ...letter
}: SinkDeadLetter & { readonly number?: number }): z.infer<typeof Letter> {
  const { sink, offset, device, reason, content } = letter;
  return {
    ...{ sink, offset, device, reason, content, at: iso(atMs) },
    partition: partition === "" ? null : partition,
    part: part === "" ? null : part,
  };
}

function numberOf(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new Problem(
    "bad-cursor",
    "The cursor is not one of this list. Take `next` from the page before, or leave it out.",
  );
}
