/**
 * Dapr for tests: one placement service and one scheduler per test file, and as many sidecars as a test asks for. Actor
 * state is kept in memory unless a test brings its components. The programs are those of DOPPEL_DAPR_BIN, else built.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Daprd,
  type DaprdOptions,
  startDaprd,
  startPlacement,
  startScheduler,
} from "../../../deploy/native/dapr.ts";
import { DaprBuildFailed, daprBinaries } from "../../../deploy/native/dapr-build.ts";
import type { ActorHostLog } from "./stream.ts";

export type TestDapr = {
  placement: Awaited<ReturnType<typeof startPlacement>>;
  scheduler: Awaited<ReturnType<typeof startScheduler>>;
  /** A sidecar of the application `appId`. Whoever starts it may stop or restart it; `close` ends what is left. */
  sidecar(options: Pick<DaprdOptions, "appId"> & Partial<DaprdOptions>): Promise<Daprd>;
  /** Ends everything and removes its files. */
  close(): Promise<void>;
};

/**
 * null, or why Dapr cannot run here, said loudly; in CI it is thrown. Builds the programs when they are missing, so it
 * belongs to the top of a test file, where no hook's time limit runs: `describe.skipIf((await daprMissing()) !== null)`.
 */
export async function daprMissing(): Promise<string | null> {
  try {
    await daprBinaries((line) => console.warn(line));
    return null;
  } catch (error) {
    if (!(error instanceof DaprBuildFailed) || process.env.CI) throw error;
    console.warn(`SKIPPED, Dapr cannot run: ${error.message}`);
    return error.message;
  }
}

const stateInMemory = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: doppel-actors
spec:
  type: state.in-memory
  version: v1
  metadata:
    - name: actorStateStore
      value: "true"
`;

export async function startTestDapr(): Promise<TestDapr> {
  const folder = await mkdtemp(join(tmpdir(), "doppel-dapr-"));
  await writeFile(join(folder, "state.yaml"), stateInMemory);
  const [placement, scheduler] = await Promise.all([startPlacement({ folder }), startScheduler({ folder })]);
  const sidecars: Daprd[] = [];
  return {
    placement,
    scheduler,
    sidecar: async (options) => {
      const sidecar = await startDaprd({ folder, placement, scheduler, componentsFolder: folder, ...options });
      const { restart } = sidecar;
      sidecars.push(sidecar);
      return { ...sidecar, restart: () => again(restart) };
    },
    close: async () => {
      await Promise.all(sidecars.map((sidecar) => sidecar.stop(2_000)));
      await Promise.all([placement.kill(), scheduler.kill()]);
      await rm(folder, { recursive: true, force: true });
    },
  };

  async function again(restart: Daprd["restart"]): Promise<Daprd> {
    const sidecar = await restart();
    sidecars.push(sidecar);
    return { ...sidecar, restart: () => again(sidecar.restart) };
  }
}

/** For hosts whose handlers fail on purpose. */
export const silent: ActorHostLog = { info: () => {}, warn: () => {}, error: () => {} };
