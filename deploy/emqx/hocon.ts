/**
 * Reads the part of HOCON that emqx.conf uses, for its test: objects, lists, strings, bare words, dotted keys, `#`
 * comments; a newline or a comma ends a value. Later keys of one object are merged.
 * @throws SyntaxError that names the line
 */
export type Hocon = string | readonly Hocon[] | { readonly [key: string]: Hocon };

export function readHocon(text: string): { readonly [key: string]: Hocon } {
  const tokens = [...tokensOf(text)];
  let at = 0;
  const peek = () => tokens[at]!;
  const fail = (wanted: string) => new SyntaxError(`Line ${peek().line}: "${peek().text}" where ${wanted} should be.`);
  const skip = (...kinds: string[]) => {
    while (kinds.includes(peek().kind)) at++;
  };

  function value(): Hocon {
    const token = peek();
    if (token.kind === "{") {
      at++;
      return object("}");
    }
    if (token.kind === "[") return list();
    if (token.kind !== "text") throw fail("a value");
    at++;
    return token.text;
  }

  function list(): Hocon[] {
    at++;
    const items: Hocon[] = [];
    for (skip("newline", ","); peek().kind !== "]"; skip("newline", ",")) items.push(value());
    at++;
    return items;
  }

  function object(end: "}" | "end"): Record<string, Hocon> {
    const fields: Record<string, Hocon> = {};
    for (skip("newline", ","); peek().kind !== end; skip("newline", ",")) {
      const key = peek();
      if (key.kind !== "text") throw fail("a key");
      at++;
      if (peek().kind === "=") at++;
      else if (peek().kind !== "{") throw fail("= or {");
      put(fields, key.quoted ? [key.text] : key.text.split("."), value());
      if (!["newline", ",", end].includes(peek().kind)) throw fail("the end of the value");
    }
    at++;
    return fields;
  }

  return object("end");
}

function put(fields: Record<string, Hocon>, [key, ...deeper]: string[], value: Hocon): void {
  const before = fields[key!];
  if (deeper.length > 0) {
    const inner = isObject(before) ? before : {};
    fields[key!] = inner;
    put(inner, deeper, value);
  } else if (isObject(before) && isObject(value)) {
    for (const [name, each] of Object.entries(value)) put(before, [name], each);
  } else fields[key!] = value;
}

function isObject(value: Hocon | undefined): value is Record<string, Hocon> {
  return typeof value === "object" && !Array.isArray(value);
}

type Token = { readonly kind: string; readonly text: string; readonly quoted: boolean; readonly line: number };

function* tokensOf(text: string): Generator<Token> {
  const pattern = /#[^\n]*|[ \t\r]+|\n|"((?:[^"\\\n]|\\.)*)"|[{}[\],=]|[^\s{}[\],="#]+/gy;
  let line = 1;
  for (let from = 0; from < text.length; from = pattern.lastIndex) {
    pattern.lastIndex = from;
    const match = pattern.exec(text);
    if (match === null) throw new SyntaxError(`Line ${line}: cannot be read from "${text.slice(from, from + 20)}" on.`);
    const [whole, quoted] = match;
    if (quoted !== undefined) yield { kind: "text", text: JSON.parse(whole), quoted: true, line };
    else if (whole === "\n") yield { kind: "newline", text: "the end of the line", quoted: false, line: line++ };
    else if (/^[{}[\],=]$/.test(whole)) yield { kind: whole, text: whole, quoted: false, line };
    else if (!/^[#\s]/.test(whole)) yield { kind: "text", text: whole, quoted: false, line };
  }
  yield { kind: "end", text: "the end of the file", quoted: false, line };
}
