/**
 * Where a text stops being JSON (RFC 8259), for error messages: V8's own name the place only sometimes.
 * Not a parser: `JSON.parse` decides, this only looks for the place.
 */

/** Line and column (from 1) of the first character that JSON does not allow there; null for valid JSON. */
export function jsonErrorPosition(text: string): { line: number; column: number; found: string } | null {
  const offset = errorOffset(text);
  if (offset === null) return null;
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  const column = offset - before.lastIndexOf("\n");
  const point = text.codePointAt(offset);
  return { line, column, found: point === undefined ? "the end" : JSON.stringify(String.fromCodePoint(point)) };
}

const whitespace = /[ \t\n\r]*/y;
/** As much of a number, word or string as there is; what does not match whole fails at its own first wrong character. */
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const word = /true|false|null/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these in strings
const stringBody = /(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;

type Expected = "value" | "valueOrEnd" | "key" | "keyOrEnd" | "colon" | "commaOrEnd" | "nothing";

function errorOffset(text: string): number | null {
  const open: ("{" | "[")[] = [];
  let expected = "value" as Expected;
  let at = 0;
  const match = (pattern: RegExp): number => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0].length ?? 0;
  };
  const closed = (): Expected => (open.length === 0 ? "nothing" : "commaOrEnd");
  for (;;) {
    at += match(whitespace);
    const character = text[at];
    if (expected === "nothing") return character === undefined ? null : at;
    if (character === undefined) return at;
    if (expected === "colon") {
      if (character !== ":") return at;
      at += 1;
      expected = "value";
    } else if (expected === "commaOrEnd" && character === ",") {
      at += 1;
      expected = open.at(-1) === "{" ? "key" : "value";
    } else if (
      (expected === "commaOrEnd" && character === (open.at(-1) === "{" ? "}" : "]")) ||
      (expected === "keyOrEnd" && character === "}") ||
      (expected === "valueOrEnd" && character === "]")
    ) {
      at += 1;
      open.pop();
      expected = closed();
    } else if (expected === "commaOrEnd") {
      return at;
    } else if (character === '"') {
      at += 1;
      at += match(stringBody);
      if (text[at] !== '"') return at;
      at += 1;
      expected = expected === "key" || expected === "keyOrEnd" ? "colon" : closed();
    } else if (expected === "key" || expected === "keyOrEnd") {
      return at;
    } else if (character === "{" || character === "[") {
      at += 1;
      open.push(character);
      expected = character === "{" ? "keyOrEnd" : "valueOrEnd";
    } else {
      const length = Math.max(match(number), match(word));
      if (length === 0) return at;
      at += length;
      expected = closed();
    }
  }
}
