import { describe } from "vitest";
import { freePort } from "../../../deploy/native/process.ts";
import { openActorCallbacks } from "./callbacks.ts";
import { actorProtocolContract } from "./contract.ts";
import { daprMissing, silent } from "./testing.ts";

describe.skipIf((await daprMissing()) !== null)("with Dapr", () => {
  actorProtocolContract("HTTP callbacks", {
    startSidecar: async (dapr) => {
      const appPort = await freePort();
      return { sidecar: await dapr.sidecar({ appId: "doppel", appPort }), appPort };
    },
    open: ({ sidecar, appPort, types, handlers, onConnection }) =>
      openActorCallbacks({ httpUrl: sidecar.url, appPort: appPort!, types, handlers, onConnection, log: silent }),
  });
});
