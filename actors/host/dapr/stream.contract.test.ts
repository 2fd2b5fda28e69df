import { describe } from "vitest";
import { actorProtocolContract } from "./contract.ts";
import { openActorStream } from "./stream.ts";
import { daprMissing, silent } from "./testing.ts";

describe.skipIf((await daprMissing()) !== null)("with Dapr", () => {
  actorProtocolContract("the stream", {
    startSidecar: async (dapr) => ({ sidecar: await dapr.sidecar({ appId: "doppel" }), appPort: null }),
    open: ({ sidecar, types, handlers, onConnection }) =>
      openActorStream({ grpcAddress: `127.0.0.1:${sidecar.grpcPort}`, types, handlers, onConnection, log: silent }),
  });
});
