/** A device as apps see it: the list's line from the fleet index, the page of one device from its twin. */
import { z } from "@hono/zod-openapi";
import { entries, type MetricState, standardDeviation } from "../core/device/metrics.ts";
import { isConnected, statusOf } from "../core/device/presence.ts";
import { documentOf, liveShadowNames } from "../core/device/shadow.ts";
import type { Twin } from "../core/device/twin.ts";
import type { JsonObject } from "../core/json.ts";
import type { DeviceSummary } from "../ports/fleet-index/port.ts";
import { CommandView, commandOfTwin } from "./command-view.ts";
import { iso, plainText, Timestamp } from "./route.ts";

export const LocationView = z
  .strictObject({
    name: plainText(256).optional(),
    latitude: z.number().min(-90).max(90).optional(),
    longitude: z.number().min(-180).max(180).optional(),
  })
  .openapi("Location", {
    description: "A place in words, as WGS 84 degrees, or both",
    example: { name: "Hall 3", latitude: 52.52, longitude: 13.405 },
  });

const exampleDevice = {
  id: "pump-4",
  type: "pump",
  region: "eu-north",
  location: { name: "Hall 3", latitude: 52.52, longitude: 13.405 },
  tags: { line: "7" },
  firmwareVersion: "2.1.0",
  createdAt: "2026-11-21T11:00:00.000Z",
  status: "online" as const,
  since: "2026-11-21T11:58:00.000Z",
  lastSeen: "2026-11-21T12:00:00.000Z",
  connected: true,
  flapping: false,
};

export const DeviceView = z
  .object({
    id: z.string(),
    type: z.string(),
    region: z.string(),
    location: LocationView.nullable(),
    tags: z.record(z.string(), z.string()),
    firmwareVersion: z.string().nullable(),
    createdAt: Timestamp,
    status: z.enum(["online", "offline"]),
    since: Timestamp.nullable().openapi({ description: "Since when the status holds; null if it was never online" }),
    lastSeen: Timestamp.nullable(),
    connected: z.boolean().openapi({ description: "Whether a connection of the device is open" }),
    flapping: z.boolean().openapi({ description: "Whether it comes and goes too often to be relied on" }),
  })
  .openapi("Device", { example: exampleDevice });

const exampleShadow = {
  state: { desired: { mode: "eco" }, reported: { mode: "auto" }, delta: { mode: "eco" } },
  metadata: { desired: { mode: { timestamp: 1795262400 } }, reported: { mode: { timestamp: 1795262300 } } },
  version: 7,
  timestamp: 1795262400,
};

export const ShadowDocument = z
  .object({
    state: z.record(z.string(), z.unknown()),
    metadata: z.record(z.string(), z.unknown()),
    version: z.int(),
    timestamp: z.int().openapi({ description: "Epoch seconds" }),
  })
  .openapi("Shadow", {
    description: "A device shadow by the rules of AWS IoT: `state` holds desired, reported and their difference, delta",
    example: exampleShadow,
  });

export const LatestValue = z
  .object({
    value: z.union([z.number(), z.boolean(), z.string()]),
    ts: Timestamp.openapi({ description: "The device's own time of the reading" }),
    receivedAt: Timestamp,
    count: z.int().openapi({ description: "Numbers counted into the statistics" }),
    mean: z.number(),
    min: z.number(),
    max: z.number(),
    stddev: z.number(),
  })
  .openapi("LatestValue", {
    example: {
      value: 21.5,
      ts: "2026-11-21T12:00:00.000Z",
      receivedAt: "2026-11-21T12:00:00.120Z",
      count: 1200,
      mean: 21.1,
      min: 18.2,
      max: 24.9,
      stddev: 1.3,
    },
  });

export const TwinView = DeviceView.extend({
  revision: z.int().openapi({ description: "Grows with everything that happens to the device" }),
  shadows: z
    .record(z.string(), ShadowDocument)
    .openapi({ description: 'By name; the classic shadow\'s name is ""', example: { "": exampleShadow } }),
  latest: z.record(z.string(), LatestValue).openapi({ description: "By metric" }),
  commands: z.array(CommandView).openapi({ description: "Newest first: all open ones and the newest ended ones" }),
}).openapi("Twin", {
  example: { ...exampleDevice, revision: 4711, shadows: { "": exampleShadow }, latest: {}, commands: [] } as never,
});

export function deviceOfSummary(summary: DeviceSummary): z.infer<typeof DeviceView> {
  const { id, type, region, location, tags, firmwareVersion, createdAtMs, status, sinceMs, lastSeenMs } = summary;
  const { connected, flapping } = summary;
  return {
    id,
    type,
    region,
    location: location === null ? null : { ...location },
    tags: { ...tags },
    firmwareVersion,
    createdAt: iso(createdAtMs),
    status,
    since: sinceMs === 0 ? null : iso(sinceMs),
    lastSeen: lastSeenMs === 0 ? null : iso(lastSeenMs),
    connected,
    flapping,
  };
}

/** The whole twin; only for a registered device. */
export function twinView(twin: Twin, nowMs: number): z.infer<typeof TwinView> {
  return {
    ...deviceOfTwin(twin),
    revision: twin.revision,
    shadows: shadowDocuments(twin, nowMs),
    latest: Object.fromEntries(entries(twin.metrics).map(([metric, state]) => [metric, latestValue(state)])),
    commands: [...twin.commands.open, ...twin.commands.ended]
      .sort((a, b) => b.createdAtMs - a.createdAtMs)
      .map((command) => commandOfTwin(twin.id, command)),
  };
}

export function deviceOfTwin(twin: Twin): z.infer<typeof DeviceView> {
  const { id, registration, presence, lastSeenMs } = twin;
  if (registration === null) throw new Error(`The device ${id} is not registered: it has no view.`);
  const { sinceMs, flapping } = presence;
  return deviceOfSummary({
    id,
    ...registration,
    status: statusOf(presence),
    sinceMs,
    lastSeenMs,
    connected: isConnected(presence),
    flapping,
  });
}

export function latestValue(state: MetricState): z.infer<typeof LatestValue> {
  const { value, tsMs, receivedAtMs, count, mean, min, max } = state;
  return {
    value,
    ts: iso(tsMs),
    receivedAt: iso(receivedAtMs),
    count,
    mean,
    min,
    max,
    stddev: standardDeviation(state),
  };
}

function shadowDocuments({ shadows }: Twin, nowMs: number): Record<string, z.infer<typeof ShadowDocument>> {
  const documents = liveShadowNames(shadows).flatMap((name): [string, JsonObject][] => {
    const shadow = shadows[name];
    return shadow?.kind === "live" ? [[name, documentOf(shadow, nowMs)]] : [];
  });
  return Object.fromEntries(documents) as Record<string, z.infer<typeof ShadowDocument>>;
}
