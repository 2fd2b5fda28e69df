/**
 * Turns of one device on their way to its actor, and the answers on their way back: JSON bodies of the method `turns`.
 * Payloads are text where they are UTF-8, else base64. Internal to Doppel: both ends are of the same release, or neighbours
 * during an upgrade, so fields are only ever added.
 */
import { isUtf8 } from "node:buffer";
import type { Reply, TwinInput } from "../../core/device/inputs.ts";
import type { TurnName } from "../../core/device/receipts.ts";
import { decodeTwin, encodeTwin } from "../../core/device/twin-codec.ts";

/** Actor type and method of device twins. */
export const deviceTwin = { type: "DeviceTwin", turns: "turns" } as const;

/** Why a turn was refused: what is stored of the twin cannot be read. */
export const twinUnreadable = "twin-unreadable";

/** One input with the name that its caller gave to the turn. */
export type NamedTurn = TurnName & { readonly input: TwinInput };

/** What came of a call: an answer to each turn, or none was taken and the caller tries again. */
export type TurnsAnswer =
  | { readonly kind: "replies"; readonly replies: readonly Reply[] }
  /** `why`: "stale" (another host had written), "store-away", "log-away", "busy". */
  | { readonly kind: "again"; readonly why: string; readonly detail: string };

type Carried = { readonly text: string } | { readonly base64: string };
type WiredTurn = { t: string; d?: number; r?: 1; i: object; p?: Carried };

export function encodeTurns(turns: readonly NamedTurn[]): string {
  return JSON.stringify(turns.map(wired));
}

/** @throws SyntaxError or BadTurns on a body that `encodeTurns` did not make */
export function decodeTurns(body: Uint8Array): NamedTurn[] {
  const turns = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")) as WiredTurn[];
  if (!Array.isArray(turns)) throw new BadTurns("The body of a call to a device's twin is no list of turns.");
  return turns.map(({ t, d, r, i, p }) => ({
    turn: t,
    digest: d ?? 0,
    redelivered: r === 1,
    input: withPayload(i, p),
  }));
}

export function encodeAnswer(answer: TurnsAnswer): Uint8Array {
  if (answer.kind === "again") return Buffer.from(JSON.stringify(answer));
  return Buffer.from(
    JSON.stringify(
      answer.replies.map((reply) => (reply.kind === "twin" ? { kind: "twin", twin: encodeTwin(reply.twin) } : reply)),
    ),
  );
}

export function decodeAnswer(body: Uint8Array): TurnsAnswer {
  const answer = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")) as
    | (Reply | { kind: "twin"; twin: string })[]
    | Extract<TurnsAnswer, { kind: "again" }>;
  if (!Array.isArray(answer)) return answer;
  return { kind: "replies", replies: answer.map(replyOf) };
}

function replyOf(reply: Reply | { kind: "twin"; twin: string }): Reply {
  return reply.kind === "twin" && typeof reply.twin === "string"
    ? { kind: "twin", twin: decodeTwin(reply.twin) }
    : (reply as Reply);
}

function wired({ turn, digest, redelivered, input }: NamedTurn): WiredTurn {
  const wire: WiredTurn = { t: turn, i: input };
  if (digest !== 0) wire.d = digest;
  if (redelivered) wire.r = 1;
  if (input.kind === "shadow") {
    wire.p = carried(input.request.payload);
    wire.i = { ...input, request: { ...input.request, payload: undefined } };
  } else if ("payload" in input) {
    wire.p = carried(input.payload);
    wire.i = { ...input, payload: undefined };
  }
  return wire;
}

function withPayload(input: object, carriedPayload: Carried | undefined): TwinInput {
  if (carriedPayload === undefined) return input as TwinInput;
  const payload =
    "text" in carriedPayload ? Buffer.from(carriedPayload.text) : Buffer.from(carriedPayload.base64, "base64");
  const bare = input as TwinInput;
  if (bare.kind === "shadow") return { ...bare, request: { ...bare.request, payload } };
  return { ...bare, payload } as TwinInput;
}

function carried(payload: Uint8Array): Carried {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return isUtf8(bytes) ? { text: bytes.toString("utf8") } : { base64: bytes.toString("base64") };
}

/** The body of a call is not what this release knows. */
export class BadTurns extends Error {
  override readonly name = "BadTurns";
  readonly code = "BAD_TURNS";
  readonly retry = "never";
}
