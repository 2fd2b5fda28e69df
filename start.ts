/**
 * `npm start`. Types are taken off and code is compiled once, not at each start, which halves what a start computes. So the
 * system itself (start-embedded.ts) is imported when the place for that is known. Where nothing can be kept, nothing is.
 */
import { enableCompileCache } from "node:module";
import { join } from "node:path";

const { directory } = enableCompileCache(join(import.meta.dirname, "node_modules", ".cache", "doppel"));
// The sinks' thread finds it there.
if (directory !== undefined) process.env.NODE_COMPILE_CACHE ??= directory;
await import("./start-embedded.ts");
