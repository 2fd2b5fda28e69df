/** What happened, newest first: of one device, and of all. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { TwinRecord } from "../core/device/records.ts";
import { eventKinds, eventView } from "./event-view.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { answer, deviceParameter, pageOf, paging, parameters, problems, Timestamp } from "./route.ts";

const kinds = z
  .string()
  .max(400)
  .transform((text, context) => {
    const named = text.split(",").filter((kind) => kind !== "");
    const unknown = named.filter((kind) => !eventKinds.some((known) => known === kind));
    if (unknown.length === 0 && named.length > 0) return named as TwinRecord["kind"][];
    context.addIssue({ code: "custom", message: `needs one or more, by commas, of ${eventKinds.join(", ")}` });
    return z.NEVER;
  })
  .optional()
  .openapi({ type: "string", description: `By commas: ${eventKinds.join(", ")}`, example: "presence,commandMoved" });

const Event = z
  .looseObject({
    offset: z.int().openapi({ description: "Place in the event log" }),
    device: z.string(),
    kind: z.string().openapi({ description: `${eventKinds.join(", ")}; there will be more` }),
    at: Timestamp,
  })
  .openapi("Event", {
    description: "`kind` says which other fields there are",
    example: {
      offset: 4711,
      device: "pump-4",
      kind: "presence",
      at: "2026-11-21T12:00:00.000Z",
      edge: "graceElapsed",
      reason: "socket closed",
      status: "offline",
      since: "2026-11-21T11:59:57.000Z",
    },
  });

const EventPage = pageOf("EventPage", Event, {
  offset: 4711,
  device: "pump-4",
  kind: "presence",
  at: "2026-11-21T12:00:00.000Z",
  edge: "connected",
  status: "online",
  since: "2026-11-21T12:00:00.000Z",
});

const deviceEvents = createRoute({
  method: "get",
  path: "/v1/devices/{id}/events",
  tags: ["Events"],
  summary: "What happened to a device, newest first",
  request: { params: deviceParameter, query: parameters({ kinds, ...paging }) },
  responses: { 200: answer("A page of events", EventPage), ...problems() },
});

const allEvents = createRoute({
  method: "get",
  path: "/v1/events",
  tags: ["Events"],
  summary: "What happened to any device, newest first",
  request: { query: parameters({ kinds, ...paging }) },
  responses: { 200: answer("A page of events", EventPage), ...problems() },
});

export function serveEvents(app: OpenAPIHono<ApiEnv>, { fleet }: ApiParts): void {
  const page = async (
    device: string | null,
    kinds: readonly TwinRecord["kind"][] | undefined,
    cursor: string | null,
    limit: number,
  ) => {
    const found = await fleet.events({ device, ...(kinds !== undefined && { kinds }) }, { cursor, limit });
    return { items: found.items.map(eventView), next: found.next };
  };

  app.openapi(deviceEvents, async (c) => {
    const { kinds, cursor = null, limit } = c.req.valid("query");
    return c.json(await page(c.req.valid("param").id, kinds, cursor, limit), 200);
  });

  app.openapi(allEvents, async (c) => {
    const { kinds, cursor = null, limit } = c.req.valid("query");
    return c.json(await page(null, kinds, cursor, limit), 200);
  });
}
