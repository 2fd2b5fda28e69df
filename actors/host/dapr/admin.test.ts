import { describe, expect, onTestFinished, test, vi } from "vitest";
import { freePort } from "../../../deploy/native/process.ts";
import { openDaprAdmin } from "./admin.ts";
import { openActorStream } from "./stream.ts";
import { daprMissing, silent, startTestDapr } from "./testing.ts";

test("a sidecar that is away answers nothing, within the time, and the console stays empty", async () => {
  const written = vi.spyOn(process.stdout, "write");
  onTestFinished(() => written.mockRestore());
  const admin = openDaprAdmin({ httpUrl: `http://127.0.0.1:${await freePort()}`, timeoutMs: 50, log: silent });
  expect(await admin.answers()).toBe(false);
  await expect(admin.metadata()).rejects.toMatchObject({ code: "DAPR_CALL_TIMED_OUT" });
  await expect(admin.ask("Pump", "a", "size")).rejects.toMatchObject({ code: "DAPR_CALL_TIMED_OUT" });
  expect(written).not.toHaveBeenCalled();
});

describe.skipIf((await daprMissing()) !== null)("with Dapr", () => {
  test("the sidecar tells who it is and whom it hosts, and actors can be asked", async () => {
    const dapr = await startTestDapr();
    onTestFinished(() => dapr.close());
    const sidecar = await dapr.sidecar({ appId: "doppel" });
    const host = await openActorStream({
      grpcAddress: `127.0.0.1:${sidecar.grpcPort}`,
      types: { types: ["Pump"], idleTimeoutSeconds: 60, drainSeconds: 1 },
      handlers: { call: async ({ body }) => body, reminder: async () => {}, deactivated: () => {} },
      log: silent,
    });
    onTestFinished(() => host.close());
    await vi.waitUntil(() => host.connected, { timeout: 10_000 });
    const admin = openDaprAdmin({ httpUrl: sidecar.url, timeoutMs: 10_000, log: silent });
    expect(await admin.answers()).toBe(true);
    expect(await admin.metadata()).toMatchObject({ id: "doppel", actors: [{ type: "Pump" }] });
    expect(await admin.ask("Pump", "a b", "size", 1, { x: true })).toEqual([1, { x: true }]);
  });
});
