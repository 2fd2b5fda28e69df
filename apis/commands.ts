/** What devices are told to do: send, follow, cancel. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { findCommand } from "../core/device/commands.ts";
import type { Json } from "../core/json.ts";
import { CommandView, commandOfSummary, commandOfTwin, commandStates } from "./command-view.ts";
import { readTwin } from "./devices.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem, unknownDevice } from "./problem.ts";
import { optionalJson } from "./request-body.ts";
import {
  AnyJson,
  answer,
  body,
  deviceParameter,
  noParameters,
  pageOf,
  paging,
  parameters,
  plainText,
  problems,
  rawBody,
} from "./route.ts";

const commandId = z.string().regex(/^[a-zA-Z0-9:_-]{1,64}$/, "a command's id is 1 to 64 of a-z A-Z 0-9 : _ -");
const tenYearsSeconds = 315_360_000;

const NewCommand = z
  .strictObject({
    id: commandId
      .optional()
      .openapi({ description: "Makes it safe to repeat: the same id and content is the same command" }),
    name: plainText(128).min(1),
    parameters: AnyJson.optional(),
    expiresInSeconds: z
      .number()
      .positive()
      .max(tenYearsSeconds)
      .optional()
      .openapi({ description: "Unless the device has acknowledged by then, the command expires; without it, never" }),
  })
  .openapi("NewCommand", { example: { name: "reboot", parameters: { delaySeconds: 5 }, expiresInSeconds: 3600 } });

const Cancellation = z
  .strictObject({ reason: plainText(256).optional() })
  .openapi("Cancellation", { example: { reason: "sent by mistake" } });

const commandParameters = deviceParameter.extend({
  command: commandId.openapi({ param: { name: "command", in: "path" }, example: "0195a1f0" }),
});

const CommandPage = pageOf("CommandPage", CommandView, {
  id: "0195a1f0",
  device: "pump-4",
  name: "reboot",
  parameters: null,
  state: "succeeded",
  createdAt: "2026-11-21T12:00:00.000Z",
  updatedAt: "2026-11-21T12:00:09.000Z",
  expiresAt: null,
  progress: null,
  result: null,
  reason: null,
});

const sendCommand = createRoute({
  method: "post",
  path: "/v1/devices/{id}/commands",
  tags: ["Commands"],
  summary: "Send a command: at once if the device listens, else when it comes back, in order",
  request: { params: deviceParameter, query: noParameters, body: body(NewCommand) },
  responses: { 202: answer("The command", CommandView), ...problems(404, 409, 413, 415) },
});

const listCommands = createRoute({
  method: "get",
  path: "/v1/devices/{id}/commands",
  tags: ["Commands"],
  summary: "A device's commands, newest first",
  request: { params: deviceParameter, query: parameters({ state: z.enum(commandStates).optional(), ...paging }) },
  responses: { 200: answer("A page of commands", CommandPage), ...problems() },
});

const readCommand = createRoute({
  method: "get",
  path: "/v1/devices/{id}/commands/{command}",
  tags: ["Commands"],
  summary: "One command",
  request: { params: commandParameters, query: noParameters },
  responses: { 200: answer("The command", CommandView), ...problems(404) },
});

const cancelCommand = createRoute({
  method: "post",
  path: "/v1/devices/{id}/commands/{command}/cancel",
  tags: ["Commands"],
  summary: "Cancel an open command",
  request: {
    params: commandParameters,
    query: noParameters,
    body: { ...rawBody("Cancellation"), required: false },
  },
  responses: { 200: answer("The command", CommandView), ...problems(404, 409, 415) },
});

export function serveCommands(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  const { host, fleet, newId } = parts;

  app.openAPIRegistry.register("Cancellation", Cancellation);

  app.openapi(sendCommand, async (c) => {
    const { id: device } = c.req.valid("param");
    const { id: command = newId(), name, parameters = null, expiresInSeconds } = c.req.valid("json");
    const expiresInMs = expiresInSeconds === undefined ? null : Math.ceil(expiresInSeconds * 1_000);
    const reply = await host.ask(device, {
      kind: "commandRequest",
      command,
      name,
      parameters: parameters as Json,
      expiresInMs,
    });
    if (reply.kind === "unknownDevice") throw unknownDevice(device);
    if (reply.kind === "conflict") throw new Problem("conflict", reply.detail);
    c.header("location", `/v1/devices/${encodeURIComponent(device)}/commands/${encodeURIComponent(command)}`);
    return c.json(await theCommand(parts, device, command), 202);
  });

  app.openapi(listCommands, async (c) => {
    const { id: device } = c.req.valid("param");
    const { cursor = null, limit, state } = c.req.valid("query");
    const page = await fleet.commands({ device, ...(state !== undefined && { state }) }, { cursor, limit });
    return c.json({ items: page.items.map(commandOfSummary), next: page.next }, 200);
  });

  app.openapi(readCommand, async (c) => {
    const { id, command } = c.req.valid("param");
    return c.json(await theCommand(parts, id, command), 200);
  });

  app.openapi(cancelCommand, async (c) => {
    const { id, command } = c.req.valid("param");
    const { reason } = await optionalJson(c, Cancellation);
    const reply = await host.ask(id, { kind: "commandCancel", command, ...(reason !== undefined && { reason }) });
    if (reply.kind === "unknownDevice") throw unknownDevice(id);
    // A twin keeps its newest ended commands only: an older one is in the index, and ended.
    if (reply.kind === "unknownCommand") {
      const { state } = await theCommand(parts, id, command);
      throw new Problem("conflict", `The command ${command} is ${state} already and cannot be cancelled.`);
    }
    if (reply.kind === "conflict") throw new Problem("conflict", reply.detail);
    return c.json(await theCommand(parts, id, command), 200);
  });
}

/** From the twin, which is exact; older ones from the index. Throws `Problem` if neither has it. */
async function theCommand(parts: ApiParts, device: string, id: string): Promise<z.infer<typeof CommandView>> {
  const twin = await readTwin(parts, device);
  const command = findCommand(twin.commands, id);
  if (command !== undefined) return commandOfTwin(device, command);
  const summary = await parts.fleet.command(device, id);
  if (summary !== null) return commandOfSummary(summary);
  throw new Problem("unknown-command", `The device ${device} has no command ${id}.`);
}
