/** What the texts of options may mean: each reader gives the value, or says what is needed. */
import type { Parse, Problem } from "./options.ts";

export function text(value: string): string | Problem {
  return value === "" ? { needs: "a value" } : value;
}

export function address(value: string): string | Problem {
  return /^[a-zA-Z0-9.:-]+$/.test(value) ? value : { needs: "an address such as 127.0.0.1 or 0.0.0.0" };
}

export function port(value: string): number | Problem {
  return wholeNumber(value, 0, 65_535) ?? { needs: "a port from 0 to 65535" };
}

export function whole(min: number, max: number): Parse<number> {
  return (value) => wholeNumber(value, min, max) ?? { needs: `a whole number from ${min} to ${max}` };
}

function wholeNumber(value: string, min: number, max: number): number | null {
  const number = Number(value);
  return /^\d+$/.test(value) && number >= min && number <= max ? number : null;
}

export function oneOf<const Choice extends string>(...choices: Choice[]): Parse<Choice> {
  return (value) => choices.find((choice) => choice === value) ?? { needs: `one of ${choices.join(", ")}` };
}

export function yesOrNo(value: string): boolean | Problem {
  if (["yes", "true", "1"].includes(value)) return true;
  return ["no", "false", "0", ""].includes(value) ? false : { needs: "yes or no" };
}

/** A URL of one of the schemes, with a host. */
export function url(example: string, ...schemes: string[]): Parse<string> {
  return (value) =>
    schemes.some((scheme) => value.startsWith(`${scheme}://`)) && URL.canParse(value) && value.split("://")[1] !== ""
      ? value
      : { needs: `a URL such as ${example}` };
}

export const postgresUrl = url("postgresql://user:password@127.0.0.1:5432/doppel", "postgresql", "postgres");

/** Nothing, or what the other reader takes. */
export function orNothing<T>(parse: Parse<T>): Parse<T | ""> {
  return (value) => (value === "" ? "" : parse(value));
}

/** `host:port`, separated by commas. */
export function hostPorts(value: string): readonly string[] | Problem {
  const each = value.split(",").map((part) => part.trim());
  const fine = each.every((part) => {
    const [, portText] = /^(?:[^\s:/[\]]+|\[[0-9a-fA-F:]+\]):(\d+)$/.exec(part) ?? [];
    return portText !== undefined && (wholeNumber(portText, 1, 65_535) ?? 0) > 0;
  });
  return fine ? each : { needs: "host:port, several separated by commas, such as 127.0.0.1:9092" };
}
