import { recordLogContract } from "./contract.ts";
import { openMemoryRecordLog } from "./memory.ts";

recordLogContract("memory", async () => {
  const log = openMemoryRecordLog({ partitions: 3, copyWindow: 200, maxRecords: 7 });
  return {
    publisher: log.publisher,
    source: log.source,
    close: () => log.publisher.close(),
    capabilities: {
      shared: { openPublisher: log.openPublisher, partitions: 3 },
      away: async () => {
        log.goAway();
        return async () => log.comeBack();
      },
      putUnreadable: async (topic) => log.putUnreadable(topic),
    },
  };
});
