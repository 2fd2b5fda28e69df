/** Ends a `switch` over a union: the compiler refuses a forgotten kind, and a value from outside throws by name. */
export function unreachable(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}
