import { membershipContract } from "./contract.ts";
import { openMemoryMembership } from "./memory.ts";

membershipContract("memory", async () => {
  let nowMs = 1_700_000_000_000;
  const membership = openMemoryMembership({ now: () => nowMs });
  return {
    membership,
    reopen: async () => membership,
    pass: async (ms) => {
      nowMs += ms;
    },
    close: async () => {},
  };
});
