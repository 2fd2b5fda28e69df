/**
 * Whether a regular expression is tame: no text of up to `maxTextLength` characters makes it try more ways than we allow.
 * The engine backtracks, and no time-out can end it, so what could explode is refused beforehand: the ways to match are
 * counted as if each repetition were free, which is more than there are.
 */

/** A `pattern` fits no longer text than this. */
export const maxTextLength = 256;
const maxPatternLength = 256;
/** About a millisecond for one text. */
const maxWays = 200_000;
/** Characters of the expression with its repetitions written out. */
const maxSize = 20_000;

/** An expression that fits no text longer than the limits count on, in the form that Ajv takes. */
export function tameRegExp(pattern: string, flags: string) {
  const expression = new RegExp(pattern, flags);
  return {
    test: (text: string) => text.length <= maxTextLength && expression.test(text),
    /** Ajv takes expressions of the same text for the same one. */
    toString: () => String(expression),
  };
}

/** What is wrong with the expression, or null if it may be used. */
export function patternProblem(pattern: string): string | null {
  const about = `The pattern ${JSON.stringify(pattern.slice(0, 60))}`;
  if (pattern.length > maxPatternLength) return `${about} is over ${maxPatternLength} characters long.`;
  try {
    new RegExp(pattern, "u").test("");
  } catch (error) {
    return `${about} is no regular expression: ${(error as Error).message}.`;
  }
  const reader = new Reader(pattern);
  const { ways, size } = reader.alternatives();
  if (reader.refused !== null) return `${about} has ${reader.refused}, which is not allowed.`;
  const starts = pattern.startsWith("^") && !reader.hasTopAlternatives ? 1 : maxTextLength;
  if (!(ways * starts <= maxWays && size <= maxSize))
    return `${about} could take too long: it has too many ways to match a text. Begin it with ^, and repeat less, such as {1,20} in place of +.`;
  return null;
}

type Part = { readonly ways: number; readonly size: number };
const character: Part = { ways: 1, size: 1 };

/** Reads an expression that the engine has taken, and counts its ways. */
class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  refused: string | null = null;
  hasTopAlternatives = false;

  constructor(text: string) {
    this.#text = text;
  }

  alternatives(): Part {
    let { ways, size } = this.#sequence();
    while (this.#take("|")) {
      if (this.#depth === 0) this.hasTopAlternatives = true;
      const other = this.#sequence();
      ways += other.ways;
      size += other.size;
    }
    return { ways, size };
  }

  #sequence(): Part {
    let ways = 1;
    let size = 0;
    while (this.#at < this.#text.length && this.refused === null) {
      const next = this.#text[this.#at];
      if (next === "|" || next === ")") break;
      const atom = this.#atom();
      const [least, most] = this.#repetition();
      ways *= repeated(atom.ways, least, most);
      size += atom.size * Math.max(1, least, most);
    }
    return { ways, size };
  }

  #atom(): Part {
    const next = this.#text[this.#at++];
    if (next === "(") return this.#group();
    if (next === "[") {
      while (this.#text[this.#at] !== "]") this.#at += this.#text[this.#at] === "\\" ? 2 : 1;
      this.#at += 1;
    } else if (next === "\\") {
      const escaped = this.#text[this.#at++]!;
      if (/[1-9k]/.test(escaped)) this.refused = "a reference back to a group";
      // \p{…}, \u{…}: the braces are no repetition.
      if (/[pPu]/.test(escaped) && this.#text[this.#at] === "{") this.#at = this.#text.indexOf("}", this.#at) + 1;
    }
    return character;
  }

  #group(): Part {
    if (this.#text[this.#at] === "?" && !this.#take("?:")) {
      this.refused = "a look-ahead, look-behind, named group or modifier";
      return character;
    }
    this.#depth += 1;
    const inside = this.alternatives();
    this.#depth -= 1;
    this.#at += 1;
    return { ways: inside.ways, size: inside.size + 1 };
  }

  #repetition(): [least: number, most: number] {
    const [whole, sign, least, comma, most] =
      /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(this.#text.slice(this.#at)) ?? [];
    if (whole === undefined) return [1, 1];
    this.#at += whole.length;
    if (sign !== undefined) return [sign === "+" ? 1 : 0, sign === "?" ? 1 : maxTextLength];
    if (comma === "") return [Number(least), Number(least)];
    return [Number(least), most === "" ? maxTextLength : Number(most)];
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }
}

/** Ways to match from `least` to `most` in a row of what itself has so many. */
function repeated(ways: number, least: number, most: number): number {
  if (ways === 1) return Math.max(1, Math.min(most, maxTextLength) - least + 1);
  let sum = 0;
  for (let times = least; times <= Math.min(most, maxTextLength) && sum <= maxWays; times += 1) sum += ways ** times;
  return Math.max(1, sum);
}
