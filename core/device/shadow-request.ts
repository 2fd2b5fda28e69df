import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import { own } from "../own.ts";
import { clientTokenMaxBytes, sectionProblem, utf8Length } from "./shadow-limits.ts";

/**
 * A request as it came, over MQTT or HTTP: `payload` is its body, not yet looked at. A get or a delete may have none.
 * `ifVersion` is a condition from outside the body (HTTP's If-Match), as `version` is one inside it; 0 means that the
 * shadow must not exist.
 */
export type ShadowRequest =
  | { readonly kind: "get"; readonly payload: Uint8Array }
  | { readonly kind: "update"; readonly payload: Uint8Array; readonly ifVersion?: number }
  | { readonly kind: "delete"; readonly payload: Uint8Array; readonly ifVersion?: number };

/** Why a request is refused: AWS IoT's code (its HTTP status) and message, word for word. */
export type ShadowError = { readonly code: number; readonly message: string };

/** AWS IoT Developer Guide, "Device Shadow error messages". */
export const shadowErrors = {
  invalidJson: { code: 400, message: "Invalid JSON" },
  missingState: { code: 400, message: "Missing required node: state" },
  stateNotObject: { code: 400, message: "State node must be an object" },
  desiredNotObject: { code: 400, message: "Desired node must be an object" },
  reportedNotObject: { code: 400, message: "Reported node must be an object" },
  invalidVersion: { code: 400, message: "Invalid version" },
  invalidClientToken: { code: 400, message: "Invalid clientToken" },
  tooDeep: (levels: number) => ({
    code: 400,
    message: `JSON contains too many levels of nesting; maximum is ${levels}`,
  }),
  invalidNode: { code: 400, message: "State contains an invalid node" },
  unauthorized: { code: 401, message: "Unauthorized" },
  forbidden: { code: 403, message: "Forbidden" },
  thingNotFound: { code: 404, message: "Thing not found" },
  noShadow: (name: string) => ({ code: 404, message: `No shadow exists with name: ${name}` }),
  versionConflict: { code: 409, message: "Version conflict" },
  tooLarge: { code: 413, message: "The payload exceeds the maximum size allowed" },
  notUtf8: { code: 415, message: "Unsupported documented encoding; supported encoding is UTF-8" },
  tooManyRequests: { code: 429, message: "Too many requests" },
  internal: { code: 500, message: "Internal service failure" },
} as const;

/** The state of an update as sent: null for "remove the section". */
export type StatePatch = { readonly desired?: JsonObject | null; readonly reported?: JsonObject | null };

/** A request whose body is understood and within the limits that need no shadow to check. */
export type ParsedRequest =
  | { readonly kind: "get"; readonly clientToken?: string }
  | { readonly kind: "delete"; readonly clientToken?: string; readonly conditions: readonly number[] }
  | {
      readonly kind: "update";
      readonly clientToken?: string;
      /** Versions that must be the current one. */
      readonly conditions: readonly number[];
      readonly patch: StatePatch;
      /** `state: null`, which clears both sections and is answered as it was sent. */
      readonly clears: boolean;
    };

export type RequestOutcome =
  | { readonly kind: "parsed"; readonly request: ParsedRequest }
  | { readonly kind: "refused"; readonly error: ShadowError; readonly clientToken?: string };

/** Reads a request's body. A refusal carries the client token if it could be read: the asker waits for it. */
export function parseShadowRequest(request: ShadowRequest, maxDepth: number): RequestOutcome {
  const read = readBody(request.payload);
  if ("error" in read) return { kind: "refused", error: read.error };
  const body = read.body ?? (request.kind === "update" ? null : {});
  if (body === null) return { kind: "refused", error: shadowErrors.invalidJson };

  const token = own(body, "clientToken");
  const echo = typeof token === "string" ? { clientToken: token } : {};
  const refused = (error: ShadowError): RequestOutcome => ({ kind: "refused", error, ...echo });
  if (token !== undefined && (typeof token !== "string" || utf8Length(token) > clientTokenMaxBytes)) {
    return refused(shadowErrors.invalidClientToken);
  }
  // A version in a get asks for nothing, and aws-iot-device-sdk sends one.
  if (request.kind === "get") return { kind: "parsed", request: { kind: "get", ...echo } };

  const conditions = [own(body, "version"), request.ifVersion].filter((version) => version !== undefined);
  if (!conditions.every(isVersion)) return refused(shadowErrors.invalidVersion);
  if (request.kind === "delete") return { kind: "parsed", request: { kind: "delete", conditions, ...echo } };

  const state = own(body, "state");
  if (state === undefined) return refused(shadowErrors.missingState);
  if (state === null) {
    const patch = { desired: null, reported: null };
    return { kind: "parsed", request: { kind: "update", conditions, patch, clears: true, ...echo } };
  }
  if (!isJsonObject(state)) return refused(shadowErrors.stateNotObject);
  const patch = readState(state, maxDepth);
  if ("code" in patch) return refused(patch);
  return { kind: "parsed", request: { kind: "update", conditions, patch, clears: false, ...echo } };
}

/** The client token of a request that is turned away unread, if it has one: the asker waits for it in the answer. */
export function clientTokenOf(payload: Uint8Array): string | undefined {
  const read = readBody(payload);
  const token = "body" in read && read.body !== undefined ? own(read.body, "clientToken") : undefined;
  return typeof token === "string" ? token : undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The body as an object; `undefined` if there is none. */
function readBody(payload: Uint8Array): { body: JsonObject | undefined } | { error: ShadowError } {
  if (payload.length === 0) return { body: undefined };
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    return { error: shadowErrors.notUtf8 };
  }
  try {
    const body: unknown = JSON.parse(text);
    return isJsonObject(body) ? { body } : { error: shadowErrors.invalidJson };
  } catch {
    return { error: shadowErrors.invalidJson };
  }
}

function readState(state: JsonObject, maxDepth: number): StatePatch | ShadowError {
  const { desired, reported, ...others } = { desired: undefined, reported: undefined, ...state };
  if (Object.keys(others).length > 0) return shadowErrors.invalidNode;
  if (desired !== undefined && desired !== null && !isJsonObject(desired)) return shadowErrors.desiredNotObject;
  if (reported !== undefined && reported !== null && !isJsonObject(reported)) return shadowErrors.reportedNotObject;
  for (const section of [desired, reported]) {
    const problem = section ? sectionProblem(section, maxDepth) : null;
    if (problem !== null) return problem === "tooDeep" ? shadowErrors.tooDeep(maxDepth) : shadowErrors.invalidNode;
  }
  return { ...(desired !== undefined && { desired }), ...(reported !== undefined && { reported }) };
}

function isVersion(value: Json): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
