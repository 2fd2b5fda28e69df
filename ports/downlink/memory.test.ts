import { downlinkContract } from "./contract.ts";
import { MemoryDownlink } from "./memory.ts";

downlinkContract("MemoryDownlink", async () => {
  const port = new MemoryDownlink();
  return {
    port,
    heard: async (count) =>
      port.sent.slice(0, count).map(({ topic, payload, qos }) => ({ topic, payload: Buffer.from(payload), qos })),
    leave: async () => {
      port.connected = false;
    },
    close: () => port.close(),
  };
});
