/** What the routes below `/v1/device-types/{type}` have in common. */
import { z } from "@hono/zod-openapi";
import type { DeviceTypes } from "../ports/device-types/port.ts";
import { Problem } from "./problem.ts";
import { plainText } from "./route.ts";

/** Types that may say something of their own. */
const maxTypes = 1_000;

const type = plainText(128)
  .min(1)
  .openapi({ param: { name: "type", in: "path" }, example: "pump" });

export const typeParameter = z.object({ type });

export const typeVersionParameter = z.object({
  type,
  version: z
    .string()
    .regex(/^(newest|[1-9]\d{0,8})$/, 'needs a version from 1 on, or "newest"')
    .openapi({ param: { name: "version", in: "path" }, example: "2" }),
});

/** Throws `Problem` where the type would be one too many. */
export async function refuseTooMany(deviceTypes: Pick<DeviceTypes, "all">, type: string): Promise<void> {
  const types = await deviceTypes.all();
  if (types.has(type) || types.size < maxTypes) return;
  throw new Problem(
    "conflict",
    `There are ${types.size} types with settings of their own, the most there may be. Delete one first.`,
  );
}

/** The refusal of a body with these problems. */
export function refusedBody(problems: readonly string[]): Problem {
  const errors = problems.slice(0, 20).map((detail) => ({ pointer: "body", detail }));
  return new Problem("invalid-request", problems.slice(0, 3).join(" "), { errors });
}
