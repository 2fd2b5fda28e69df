/**
 * Refusals over HTTP: problem documents (RFC 9457). A handler throws `Problem`, the app's error handler renders it, so
 * every refusal looks the same and its `type` is from the closed list below.
 */
import { z } from "@hono/zod-openapi";

const kinds = {
  "invalid-request": { status: 400, title: "Invalid request" },
  "malformed-json": { status: 400, title: "Malformed JSON" },
  "bad-cursor": { status: 400, title: "Bad cursor" },
  "query-too-large": { status: 400, title: "Query too large" },
  unauthorized: { status: 401, title: "Unauthorized" },
  "host-not-allowed": { status: 403, title: "Host not allowed" },
  "origin-not-allowed": { status: 403, title: "Origin not allowed" },
  forbidden: { status: 403, title: "Forbidden" },
  "not-found": { status: 404, title: "Not found" },
  "unknown-device": { status: 404, title: "Unknown device" },
  "unknown-metric": { status: 404, title: "Unknown metric" },
  "unknown-command": { status: 404, title: "Unknown command" },
  "unknown-shadow": { status: 404, title: "Unknown shadow" },
  "method-not-allowed": { status: 405, title: "Method not allowed" },
  conflict: { status: 409, title: "Conflict" },
  "version-conflict": { status: 409, title: "Version conflict" },
  "precondition-failed": { status: 412, title: "Precondition failed" },
  "too-large": { status: 413, title: "Content too large" },
  "unsupported-media-type": { status: 415, title: "Unsupported media type" },
  "upgrade-required": { status: 426, title: "Upgrade required" },
  "too-many-requests": { status: 429, title: "Too many requests" },
  "internal-error": { status: 500, title: "Internal error" },
  unavailable: { status: 503, title: "Unavailable" },
} as const;

export type ProblemKind = keyof typeof kinds;
export type ProblemStatus = (typeof kinds)[ProblemKind]["status"];

/** One thing that is wrong with a request: where (`body/location/latitude`, `query/limit`) and what. */
export type ProblemDetail = { readonly pointer: string; readonly detail: string };

/** A request that is refused. `headers` go with the answer. */
export class Problem extends Error {
  readonly code = "PROBLEM";
  readonly retry = "never";
  readonly kind: ProblemKind;
  readonly status: ProblemStatus;
  readonly errors: readonly ProblemDetail[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    kind: ProblemKind,
    detail: string,
    more: { errors?: readonly ProblemDetail[]; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail);
    this.kind = kind;
    this.status = kinds[kind].status;
    this.errors = more.errors ?? [];
    this.headers = more.headers ?? {};
  }
}

/** The document as it goes out; `instance` is the path of the request. */
export const ProblemDocument = z
  .object({
    type: z.string().openapi({ description: "A URN of a closed list; programs react to it." }),
    title: z.string(),
    status: z.int(),
    detail: z.string().openapi({ description: "What was wrong, which value, and what to do." }),
    instance: z.string().openapi({ description: "The path of the request." }),
    errors: z
      .array(z.object({ pointer: z.string(), detail: z.string() }))
      .optional()
      .openapi({ description: "Each wrong value of the request." }),
  })
  .openapi("Problem", {
    example: {
      type: "urn:doppel:problem:unknown-device",
      title: "Unknown device",
      status: 404,
      detail: "There is no device pump-9. Register it with POST /v1/devices.",
      instance: "/v1/devices/pump-9",
    },
  });

export function problemDocument(problem: Problem, instance: string): z.infer<typeof ProblemDocument> {
  const { kind, status, errors } = problem;
  return {
    type: `urn:doppel:problem:${kind}`,
    title: kinds[kind].title,
    status,
    detail: problem.message,
    instance,
    ...(errors.length > 0 && { errors: [...errors] }),
  };
}

export function problemResponse(problem: Problem, instance: string): Response {
  return new Response(JSON.stringify(problemDocument(problem, instance)), {
    status: problem.status,
    headers: { "content-type": "application/problem+json", ...problem.headers },
  });
}

/** The problem for a status that a library or the twin names. */
export function problemOfStatus(status: number, detail: string): Problem {
  const entry = Object.entries(kinds).find(([, kind]) => kind.status === status);
  return new Problem(
    (entry?.[0] as ProblemKind | undefined) ?? (status < 500 ? "invalid-request" : "internal-error"),
    detail,
  );
}

export function unknownDevice(device: string): Problem {
  return new Problem("unknown-device", `There is no device ${device}. Register it with POST /v1/devices.`);
}
