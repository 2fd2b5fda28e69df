/** The registry: list, make, change and delete devices, and read one device's whole twin. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { RegistrationPatch } from "../core/device/registration.ts";
import type { Twin } from "../core/device/twin.ts";
import type { DeviceFilter } from "../ports/fleet-index/port.ts";
import { DeviceView, deviceOfSummary, deviceOfTwin, LocationView, TwinView, twinView } from "./device-view.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem, unknownDevice } from "./problem.ts";
import {
  answer,
  body,
  DeviceId,
  deviceParameter,
  flag,
  noParameters,
  paging,
  parameters,
  plainText,
  problems,
} from "./route.ts";

const tagName = plainText(128).regex(/^(?!__proto__$)[^:\s][^:]*$/, "a tag's name is text without a colon");
const tagCount = 64;

export const registrationFields = {
  type: plainText(128).min(1).openapi({ example: "pump", description: "Names the policy that applies" }),
  region: plainText(128).openapi({ example: "eu-north" }),
  location: LocationView.nullable(),
  tags: z
    .record(tagName, plainText(256))
    .refine((tags) => Object.keys(tags).length <= tagCount, { error: `at most ${tagCount} tags` })
    .openapi({ example: { line: "7" } }),
  firmwareVersion: plainText(128).nullable().openapi({ example: "2.1.0" }),
};

export const NewDevice = z
  .strictObject({ id: DeviceId, ...z.object(registrationFields).partial().shape })
  .openapi("NewDevice", { example: { id: "pump-4", type: "pump", region: "eu-north", tags: { line: "7" } } });

const DevicePatch = z
  .strictObject({
    ...z.object(registrationFields).partial().shape,
    tags: z
      .record(tagName, plainText(256).nullable())
      .refine((tags) => Object.keys(tags).length <= tagCount, { error: `at most ${tagCount} tags` })
      .optional()
      .openapi({ description: "Laid over the tags that there are; null removes one", example: { line: null } }),
  })
  .openapi("DevicePatch", {
    description: "What is absent stays",
    example: { region: "eu-south", tags: { line: null, hall: "3" } },
  });

const DevicePage = z
  .object({
    items: z.array(DeviceView),
    next: z.string().nullable(),
    total: z.int().openapi({ description: "How many devices match in all" }),
  })
  .openapi("DevicePage", { example: { items: [], next: null, total: 0 } });

/** The filter of device lists, as query parameters. */
export const filterParameters = {
  status: z.enum(["online", "offline"]).optional(),
  flapping: flag.optional(),
  region: plainText(128).optional().openapi({ example: "eu-north" }),
  type: plainText(128).optional().openapi({ example: "pump" }),
  tag: plainText(400)
    .regex(/^[^:]+:/, "needs name:value")
    .optional()
    .openapi({ example: "line:7" }),
  search: plainText(128).optional().openapi({ description: "Part of the id, whatever the case", example: "pump" }),
};

const listDevices = createRoute({
  method: "get",
  path: "/v1/devices",
  tags: ["Devices"],
  summary: "List and search devices, by id",
  request: { query: parameters({ ...filterParameters, ...paging }) },
  responses: { 200: answer("A page of devices", DevicePage), ...problems() },
});

const createDevice = createRoute({
  method: "post",
  path: "/v1/devices",
  tags: ["Devices"],
  summary: "Register a device",
  request: { query: noParameters, body: body(NewDevice) },
  responses: { 201: answer("The device", DeviceView), ...problems(409, 413, 415) },
});

const readDevice = createRoute({
  method: "get",
  path: "/v1/devices/{id}",
  tags: ["Devices"],
  summary: "Read a device's twin: registration, presence, shadows, latest values, commands",
  request: { params: deviceParameter, query: noParameters },
  responses: { 200: answer("The twin", TwinView), ...problems(404) },
});

const changeDevice = createRoute({
  method: "patch",
  path: "/v1/devices/{id}",
  tags: ["Devices"],
  summary: "Change a device's registration",
  request: { params: deviceParameter, query: noParameters, body: body(DevicePatch) },
  responses: { 200: answer("The device", DeviceView), ...problems(404, 413, 415) },
});

const deleteDevice = createRoute({
  method: "delete",
  path: "/v1/devices/{id}",
  tags: ["Devices"],
  summary: "Delete a device: its shadows and commands end, its connection is closed",
  description: "Where devices register themselves, one that goes on sending is there again with its next message.",
  request: { params: deviceParameter, query: noParameters },
  responses: { 204: { description: "Deleted" }, ...problems(404) },
});

export function serveDevices(app: OpenAPIHono<ApiEnv>, parts: ApiParts): void {
  const { host, fleet, now } = parts;

  app.openapi(listDevices, async (c) => {
    const { cursor = null, limit, ...query } = c.req.valid("query");
    const filter = filterOf(query);
    const [page, total] = await Promise.all([fleet.devices(filter, { cursor, limit }), fleet.count(filter)]);
    return c.json({ items: page.items.map(deviceOfSummary), next: page.next, total }, 200);
  });

  app.openapi(createDevice, async (c) => {
    const { id, ...fields } = c.req.valid("json");
    const reply = await host.ask(id, { kind: "register", patch: patchOf(fields), mode: "create" });
    if (reply.kind === "conflict") throw new Problem("conflict", reply.detail);
    c.header("location", `/v1/devices/${encodeURIComponent(id)}`);
    return c.json(deviceOfTwin(await readTwin(parts, id)), 201);
  });

  app.openapi(readDevice, async (c) => c.json(twinView(await readTwin(parts, c.req.valid("param").id), now()), 200));

  app.openapi(changeDevice, async (c) => {
    const { id } = c.req.valid("param");
    const reply = await host.ask(id, { kind: "register", patch: patchOf(c.req.valid("json")), mode: "update" });
    if (reply.kind === "unknownDevice") throw unknownDevice(id);
    return c.json(deviceOfTwin(await readTwin(parts, id)), 200);
  });

  app.openapi(deleteDevice, async (c) => {
    const { id } = c.req.valid("param");
    const reply = await host.ask(id, { kind: "deregister" });
    if (reply.kind === "unknownDevice") throw unknownDevice(id);
    return c.body(null, 204);
  });
}

/** The twin of a registered device, as of all that was asked before. Throws `Problem` if there is none. */
export async function readTwin({ host }: Pick<ApiParts, "host">, id: string): Promise<Twin> {
  const reply = await host.ask(id, { kind: "read" });
  if (reply.kind === "twin" && reply.twin.registration !== null) return reply.twin;
  throw unknownDevice(id);
}

type FilterQuery = {
  [Name in Exclude<keyof DeviceFilter, "tag">]?: DeviceFilter[Name] | undefined;
} & { tag?: string | undefined };

export function filterOf({ status, flapping, region, type, tag, search }: FilterQuery): DeviceFilter {
  const colon = tag?.indexOf(":") ?? -1;
  return {
    ...(status !== undefined && { status }),
    ...(flapping !== undefined && { flapping }),
    ...(region !== undefined && { region }),
    ...(type !== undefined && { type }),
    ...(tag !== undefined && { tag: { name: tag.slice(0, colon), value: tag.slice(colon + 1) } }),
    ...(search !== undefined && search !== "" && { search }),
  };
}

/** The patch without fields that are undefined. */
export function patchOf(fields: { [Name in keyof RegistrationPatch]: unknown }): RegistrationPatch {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
