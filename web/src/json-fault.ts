/**
 * Where JSON goes wrong and what was expected there, for people who type it: browsers word their own messages
 * differently and often leave the place out. null for JSON that is well-formed (RFC 8259).
 */
export function jsonFault(text: string): { offset: number; expected: string } | null {
  let offset = 0;
  const fault = (expected: string) => ({ offset, expected });
  const take = (pattern: RegExp) => {
    pattern.lastIndex = offset;
    const found = pattern.exec(text);
    if (found) offset += found[0].length;
    return found !== null;
  };
  const space = () => take(/[ \t\r\n]*/y);
  const string = () => take(/"(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/uy);

  const value = (): ReturnType<typeof jsonFault> => {
    if (take(/\{/y)) return members("}", member);
    if (take(/\[/y)) return members("]", value);
    if (string() || take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)\b/y)) return null;
    if (text[offset] === '"') return fault('the string to end with " on the same line');
    if (text[offset] === "'") return fault('double quotes: "…"');
    return fault("a value: text goes in double quotes");
  };
  const member = (): ReturnType<typeof jsonFault> => {
    if (!string()) return fault("a name in double quotes");
    space();
    if (!take(/:/y)) return fault('":" after the name');
    space();
    return value();
  };
  const members = (close: "}" | "]", one: () => ReturnType<typeof jsonFault>): ReturnType<typeof jsonFault> => {
    const end = close === "}" ? /\}/y : /\]/y;
    space();
    if (take(end)) return null;
    while (true) {
      const wrong = one();
      if (wrong) return wrong;
      space();
      if (take(end)) return null;
      if (!take(/,/y)) return fault(`"," or "${close}"`);
      space();
    }
  };

  space();
  const wrong = value();
  if (wrong) return wrong;
  space();
  return offset === text.length ? null : fault("nothing more");
}
