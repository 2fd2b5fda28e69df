/**
 * How every program of Doppel reads its options: one table of environment variable, command-line flag, default, unit and
 * meaning. A flag goes before its environment variable, an empty variable counts as not set, and all problems are told
 * together. Pure: whoever starts hands in environment and arguments.
 */
import { text } from "./option-values.ts";

/** What a text means, or what it would need to mean something. */
export type Parse<T> = (text: string) => T | Problem;
export type Problem = { readonly needs: string };

export type Option<T = unknown> = {
  readonly env: string;
  /** As text, as if it had been given; of a required option "". */
  readonly default: string;
  readonly parse: Parse<T>;
  readonly meaning: string;
  /** A flag that stands alone: `--demo`. */
  readonly switch?: true;
  /** There is no default that could be right. */
  readonly required?: true;
  /** Has no flag, which others on the machine could read, and is never repeated in a message. */
  readonly secret?: true;
  /** May hold a password, as URLs do: like a secret, it can be in a file that `…_FILE` names. */
  readonly inFile?: true;
  /** The default in the words of the help, where it is not the same for everybody. */
  readonly defaultIs?: string;
};

/** By the name in the configuration: `mqttPort` has the flag `--mqtt-port`. */
export type OptionTable = Readonly<Record<string, Option>>;
/** The configuration that a table reads. */
export type ConfigOf<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Option<infer T> ? T : never;
};

export type ReadValues<Table extends OptionTable> = {
  /** What could be read; complete when there are no problems. */
  readonly values: Partial<ConfigOf<Table>>;
  readonly problems: string[];
};

export type Env = Readonly<Record<string, string | undefined>>;

export function option<T>(
  env: string,
  standard: string,
  parse: Parse<T>,
  meaning: string,
  more: Pick<Option, "switch" | "required" | "secret" | "inFile" | "defaultIs"> = {},
): Option<T> {
  return { env, default: standard, parse, meaning, ...more };
}

/** A password or key: nothing by default, from the environment alone. */
export function secretOption(env: string, meaning: string, more: Pick<Option, "required"> = {}): Option<string> {
  return option(env, "", more.required ? text : (value) => value, meaning, { ...more, secret: true });
}

export function asksForHelp(argv: readonly string[]): boolean {
  return argv.includes("--help") || argv.includes("-h");
}

/** Gives the text of a file, or says by an error why it cannot. */
export type ReadFile = (path: string) => string;

/** `readFile`: of the files that hold secrets. */
export function readOptions<Table extends OptionTable>(
  table: Table,
  env: Env,
  argv: readonly string[],
  readFile: ReadFile = noFiles,
) {
  const problems: string[] = [];
  const flags = readFlags(table, argv, problems);
  const values: Record<string, unknown> = {};
  for (const [name, each] of Object.entries(table)) {
    const flag = flags.get(name);
    const given = flag ?? fromFile(each, env, readFile, problems) ?? (env[each.env] || undefined);
    const value = each.parse(given ?? each.default);
    if (isProblem(value)) problems.push(problemOf(each, flag === undefined ? each.env : flagOf(name), given, value));
    else values[name] = value;
  }
  return { values, problems } as ReadValues<Table>;
}

/** What `…_FILE` says of a secret, without the line break at its end. */
function fromFile({ env: name, secret, inFile }: Option, env: Env, readFile: ReadFile, problems: string[]) {
  const path = secret || inFile ? env[`${name}_FILE`] : undefined;
  if (!path) return undefined;
  if (env[name]) problems.push(`${name} and ${name}_FILE are both set: set one of them.`);
  try {
    const text = readFile(path).replace(/\r?\n$/, "");
    if (text !== "") return text;
    problems.push(`${name}_FILE is "${path}", which is empty: put the secret into it.`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    problems.push(`${name}_FILE is "${path}", which cannot be read (${code ?? message}): name a file that can.`);
  }
  return undefined;
}

const noFiles: ReadFile = () => {
  throw new Error("no files are read here");
};

function problemOf(each: Option, where: string, given: string | undefined, { needs }: Problem): string {
  if (given === undefined) return `${where} is not set but needs ${needs}.`;
  return `${where} is ${each.secret ? "not shown here" : `"${withoutPassword(given)}"`} but needs ${needs}.`;
}

function readFlags(table: OptionTable, argv: readonly string[], problems: string[]): Map<string, string> {
  const names = new Map(
    Object.entries(table).flatMap(([name, { secret }]) => (secret ? [] : [[flagOf(name), name] as const])),
  );
  const secrets = new Map(Object.entries(table).map(([name, { secret, env }]) => [flagOf(name), secret && env]));
  const flags = new Map<string, string>();
  for (let index = 0; index < argv.length; index += 1) {
    const [flag, inline] = splitOnce(argv[index]!);
    const name = names.get(flag);
    if (name === undefined) {
      const secret = secrets.get(flag);
      problems.push(
        secret
          ? `${flag} is no option, since others on the machine can read a command line: set ${secret}.`
          : `${flag} is no option; did you mean ${nearest(flag, [...names.keys()])}? --help lists them all.`,
      );
      if (inline === undefined && argv[index + 1]?.startsWith("--") === false) index += 1;
      continue;
    }
    if (inline !== undefined) flags.set(name, inline);
    else if (table[name]!.switch) flags.set(name, "yes");
    else if (argv[index + 1] === undefined || argv[index + 1]!.startsWith("--"))
      problems.push(`${flag} needs a value: ${table[name]!.meaning}.`);
    else flags.set(name, argv[++index]!);
  }
  return flags;
}

/** What was given is shown to the person, and may end in a log: `scheme://user:password@host` keeps its password. */
function withoutPassword(given: string): string {
  return given.replace(/:[^:/]*@/, ":***@");
}

/** A line per option; every meaning begins in the same column. */
export function optionLines(table: OptionTable): string[] {
  const rows = Object.entries(table).map(([name, { env, default: standard, meaning, ...more }]) => {
    const shown = more.required ? "required" : (more.defaultIs ?? standard);
    return {
      flag: more.secret ? "" : more.switch ? flagOf(name) : `${flagOf(name)} …`,
      env,
      meaning: shown === "" ? meaning : `${meaning} (${shown})`,
    };
  });
  const flagWidth = Math.max(...rows.map(({ flag }) => flag.length));
  const envWidth = Math.max(...rows.map(({ env }) => env.length));
  return rows.map(({ flag, env, meaning }) => `  ${flag.padEnd(flagWidth)}  ${env.padEnd(envWidth)}  ${meaning}`);
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "needs" in value;
}

/** `mqttPort` → `--mqtt-port` */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function splitOnce(argument: string): [string, string | undefined] {
  const at = argument.indexOf("=");
  return at < 0 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)];
}

function nearest(flag: string, known: readonly string[]): string {
  return known.toSorted((a, b) => distance(flag, a) - distance(flag, b))[0]!;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries())
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (letter === other ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
