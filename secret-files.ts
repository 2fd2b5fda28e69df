import { readFileSync } from "node:fs";
import type { ReadFile } from "./options.ts";

/** The text of a file that holds a secret, for readers of options. */
export const readSecretFile: ReadFile = (path) => readFileSync(path, "utf8");
