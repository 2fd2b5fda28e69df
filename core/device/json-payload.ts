import { utf8Text } from "../utf8.ts";

/** A payload as parsed, or why it cannot be, for its dead letter. */
export type JsonPayload =
  | { readonly kind: "parsed"; readonly body: unknown }
  | { readonly kind: "refused"; readonly reason: "not-utf8" | "malformed-json"; readonly detail: string };

/** Reads a device's payload as JSON. `what` begins the sentence that says what is wrong: "The payload". */
export function readJsonPayload(payload: Uint8Array, what: string): JsonPayload {
  const text = utf8Text(payload);
  if (text === null)
    return { kind: "refused", reason: "not-utf8", detail: `${what} is not valid UTF-8. Send JSON encoded as UTF-8.` };
  try {
    return { kind: "parsed", body: JSON.parse(text) };
  } catch (error) {
    const detail = `${what} is not valid JSON: ${(error as Error).message}.`;
    return { kind: "refused", reason: "malformed-json", detail };
  }
}
