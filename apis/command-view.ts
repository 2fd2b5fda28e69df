/** A command as apps see it, from the twin (exact) or from the fleet index (history). */
import { z } from "@hono/zod-openapi";
import type { Command, CommandState } from "../core/device/commands.ts";
import type { CommandSummary } from "../ports/fleet-index/port.ts";
import { AnyJson, iso, Timestamp } from "./route.ts";

export const commandStates = [
  "queued",
  "sent",
  "acknowledged",
  "succeeded",
  "failed",
  "rejected",
  "expired",
  "cancelled",
] as const satisfies readonly CommandState[];

export const CommandView = z
  .object({
    id: z.string(),
    device: z.string(),
    name: z.string(),
    parameters: AnyJson,
    state: z.enum(commandStates).openapi({ description: "Ends in exactly one of the last five" }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    expiresAt: Timestamp.nullable(),
    progress: AnyJson,
    result: AnyJson,
    reason: z.string().nullable(),
  })
  .openapi("Command", {
    example: {
      id: "0195a1f0",
      device: "pump-4",
      name: "reboot",
      parameters: { delaySeconds: 5 },
      state: "acknowledged",
      createdAt: "2026-11-21T12:00:00.000Z",
      updatedAt: "2026-11-21T12:00:01.000Z",
      expiresAt: "2026-11-21T13:00:00.000Z",
      progress: { percent: 40 },
      result: null,
      reason: null,
    },
  });

export function commandOfTwin(device: string, command: Command): z.infer<typeof CommandView> {
  const { id, name, parameters, state, createdAtMs, updatedAtMs, expiresAtMs } = command;
  const { progress = null, result = null, reason = null } = command;
  return {
    id,
    device,
    name,
    parameters,
    state,
    createdAt: iso(createdAtMs),
    updatedAt: iso(updatedAtMs),
    expiresAt: expiresAtMs === null ? null : iso(expiresAtMs),
    progress,
    result,
    reason,
  };
}

export function commandOfSummary({ command: id, device, ...summary }: CommandSummary): z.infer<typeof CommandView> {
  const { name, parameters, state, createdAtMs, updatedAtMs, expiresAtMs, progress, result, reason } = summary;
  const known = { id, name, parameters, state, createdAtMs, updatedAtMs, expiresAtMs, progress, result };
  return commandOfTwin(device, { ...known, ...(reason !== null && { reason }) });
}
