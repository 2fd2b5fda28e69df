import { expect, onTestFinished, test } from "vitest";
import { openTestApi } from "./testing.ts";

test("the cluster of the embedded system is one process that carries every twin", async () => {
  const api = await openTestApi();
  onTestFinished(api.close);
  await api.request("POST", "/v1/devices", { id: "pump-4" });
  const { status, body } = await api.json("GET", "/v1/cluster");
  expect(status).toBe(200);
  expect(body).toMatchObject({
    mode: "embedded",
    twinsInMemory: 1,
    placement: null,
    members: [{ role: "doppel", alive: true, status: { twins: 1 } }],
    dependencies: { log: { ok: true } },
  });
});
