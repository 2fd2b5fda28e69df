import { sinkDeadLettersContract } from "./contract.ts";
import { memorySinkDeadLetters } from "./memory.ts";

sinkDeadLettersContract("memory", async () => ({ port: memorySinkDeadLetters(), close: async () => {} }));
