/**
 * A twin's receipts as text. They are written with each durable turn, some hundreds of them, so they are small: names
 * that gateways give begin alike, and hardly any receipt holds a reply.
 *
 * The text is a JSON list. An element is a receipt of its own, `[turn, digest, reply, atMs]`, as all were once, or a
 * string: a run of packed ones. A packed receipt is
 *
 *   head  one digit: how many characters its name has in common with the name before, + 32 if the reply is "done"
 *   name  what differs of it
 *   ,     the digest, unless it is 0
 *   ;     the time after that of the receipt before, unless it is the same; the lowest bit is its sign
 *   /     its end
 *
 * Numbers are base 64, the lowest digit first. Whatever a run cannot carry stands on its own, so that nothing is lost.
 */
import type { Reply } from "../../core/device/inputs.ts";
import type { TurnReceipt } from "../../core/device/receipts.ts";

/** On one line; "" for none, as nearly all twins have. A reply that holds a twin is never among them (`withReceipt`). */
export function writeReceipts(receipts: readonly TurnReceipt[]): string {
  if (receipts.length === 0) return "";
  const elements: string[] = [];
  const run = new Run();
  for (const receipt of receipts) {
    if (run.add(receipt)) continue;
    if (!run.isEmpty) elements.push(run.take());
    if (run.add(receipt)) continue;
    elements.push(JSON.stringify([receipt.turn, receipt.digest, receipt.reply, receipt.atMs]));
  }
  if (!run.isEmpty) elements.push(run.take());
  return `[${elements.join(",")}]`;
}

/** @throws Error on a text that `writeReceipts` did not make */
export function readReceipts(text: string): TurnReceipt[] {
  if (text === "") return [];
  const stored = JSON.parse(text) as (string | [string, number, Reply | null, number?])[];
  const receipts: TurnReceipt[] = [];
  for (const element of stored) {
    if (typeof element === "string") unpack(element, receipts);
    else {
      const [turn, digest, reply, atMs = 0] = element;
      receipts.push({ turn, digest, reply, atMs });
    }
  }
  return receipts;
}

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const codeOfDigit = Buffer.from(digits, "latin1");
const [comma, semicolon, slash] = [44, 59, 47];
const maxShared = 31;
const doneFlag = 32;
const longestName = 128;
/** So that twice the difference of two is still an exact number. */
const latestMs = 2 ** 51;
/** Head, digest, time and their marks, at most. */
const longestRest = 24;

/** Shared by all: a run is written and taken without a turn of the event loop. */
const bytes = Buffer.allocUnsafe(64 * 1024);

/** A run under way. Bytes, since strings that grow by a character cost most of the time. */
class Run {
  #length = 0;
  #name = "";
  #atMs = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** False if it cannot hold the receipt: then it is as before. */
  add({ turn, digest, reply, atMs }: TurnReceipt): boolean {
    if (!isPackable(turn, digest, atMs) || (reply !== null && reply.kind !== "done")) return false;
    if (this.#length + turn.length + longestRest > bytes.length) return false;
    const shared = sharedLength(this.#name, turn);
    let at = this.#length;
    bytes[at++] = codeOfDigit[reply === null ? shared : shared + doneFlag]!;
    for (let index = shared; index < turn.length; index += 1) {
      const code = turn.charCodeAt(index);
      if (!isPlain(code)) return false;
      bytes[at++] = code;
    }
    if (digest !== 0) {
      bytes[at++] = comma;
      at = putNumber(digest, at);
    }
    const laterMs = atMs - this.#atMs;
    if (laterMs !== 0) {
      bytes[at++] = semicolon;
      at = putNumber(laterMs > 0 ? laterMs * 2 : -laterMs * 2 + 1, at);
    }
    bytes[at++] = slash;
    this.#length = at;
    this.#name = turn;
    this.#atMs = atMs;
    return true;
  }

  /** The run as an element of the list; the next one begins. */
  take(): string {
    const text = bytes.toString("latin1", 0, this.#length);
    this.#length = 0;
    this.#name = "";
    this.#atMs = 0;
    return `"${text}"`;
  }
}

function isPackable(turn: string, digest: number, atMs: number): boolean {
  return (
    turn.length <= longestName &&
    Number.isSafeInteger(digest) &&
    digest >= 0 &&
    Number.isInteger(atMs) &&
    atMs >= 0 &&
    atMs < latestMs
  );
}

/** Printable ASCII that means nothing in JSON's strings, nor in a run. */
function isPlain(code: number): boolean {
  return (
    code > 32 && code < 127 && code !== 34 && code !== 92 && code !== comma && code !== semicolon && code !== slash
  );
}

function sharedLength(before: string, name: string): number {
  const most = Math.min(before.length, name.length, maxShared);
  let shared = 0;
  while (shared < most && before.charCodeAt(shared) === name.charCodeAt(shared)) shared += 1;
  return shared;
}

/** In two halves of whole numbers: the remainder of a larger one is slow. */
function putNumber(value: number, from: number): number {
  let at = from;
  const low = (value >>> 0) & (half - 1);
  let rest = low;
  const high = (value - low) / half;
  if (high > 0) {
    for (let digit = 0; digit < digitsOfHalf; digit += 1) {
      bytes[at++] = codeOfDigit[rest & 63]!;
      rest >>>= 6;
    }
    rest = high;
  }
  do {
    bytes[at++] = codeOfDigit[rest & 63]!;
    rest >>>= 6;
  } while (rest > 0);
  return at;
}

const digitsOfHalf = 5;
const half = 2 ** (6 * digitsOfHalf);

const packed = /([\w-])([^,;/]*)(?:,([\w-]+))?(?:;([\w-]+))?\//y;

function unpack(run: string, receipts: TurnReceipt[]): void {
  let name = "";
  let ms = 0;
  packed.lastIndex = 0;
  while (packed.lastIndex < run.length) {
    const at = packed.lastIndex;
    const found = packed.exec(run);
    if (found === null) throw new Error(`A receipt of turns cannot be read: "${run.slice(at, at + 40)}".`);
    const [, head, rest, digest, laterMs] = found as unknown as [string, string, string, string?, string?];
    const number = digits.indexOf(head);
    name = name.slice(0, number % doneFlag) + rest;
    const moved = laterMs === undefined ? 0 : numberOf(laterMs);
    ms += moved % 2 === 0 ? moved / 2 : -(moved - 1) / 2;
    const reply: Reply | null = number < doneFlag ? null : { kind: "done" };
    receipts.push({ turn: name, digest: digest === undefined ? 0 : numberOf(digest), reply, atMs: ms });
  }
}

function numberOf(text: string): number {
  let value = 0;
  for (let index = text.length - 1; index >= 0; index -= 1) value = value * 64 + digits.indexOf(text[index]!);
  return value;
}
