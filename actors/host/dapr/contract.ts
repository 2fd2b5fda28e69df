/** What every way of hosting Dapr's actors promises (../protocol-port.ts), tried against a real sidecar. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Daprd } from "../../../deploy/native/dapr.ts";
import type { ActorCall, ActorHandlers, ActorProtocol, ActorReminder, ActorTypes } from "../protocol-port.ts";
import { ActorFailed } from "./call-errors.ts";
import { type DaprClient, openDaprClient } from "./client.ts";
import { startTestDapr, type TestDapr } from "./testing.ts";

export type HostWay = {
  /** Starts a sidecar as this way of hosting wants it. */
  startSidecar(dapr: TestDapr): Promise<{ sidecar: Daprd; appPort: number | null }>;
  open(options: {
    sidecar: Daprd;
    appPort: number | null;
    types: ActorTypes;
    handlers: ActorHandlers;
    onConnection: (connected: boolean) => void;
  }): Promise<ActorProtocol>;
};

const timeoutMs = 5_000;

export function actorProtocolContract(name: string, way: HostWay): void {
  describe(`${name} as ActorProtocol`, () => {
    let dapr: TestDapr;
    beforeAll(async () => {
      dapr = await startTestDapr();
    });
    afterAll(() => dapr.close());

    test("a call brings type, id, method and the bytes of its body, and takes the bytes of the answer", async () => {
      const seen: ActorCall[] = [];
      const { type, client } = await hosted({
        call: async (call) => {
          seen.push(call);
          return Buffer.from([...call.body].reverse());
        },
      });
      const body = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const answer = await client.invoke(type, "pump 4:ü", "turns", body, { timeoutMs });
      expect([...answer]).toEqual([...body].reverse());
      expect(seen).toEqual([{ type, id: "pump 4:ü", method: "turns", body: Buffer.from(body) }]);
    });

    test("an empty body and an empty answer are calls like others", async () => {
      const { type, client } = await hosted({ call: async ({ body }) => body });
      expect((await client.invoke(type, "a", "turns", "", { timeoutMs })).length).toBe(0);
    });

    test("a handler that throws gives its caller an error and harms nobody else", async () => {
      let calls = 0;
      const { type, client } = await hosted({
        call: async ({ id }) => {
          calls++;
          if (id === "bad") throw new Error("a bug in the twin");
          return Buffer.from("fine");
        },
      });
      const failed = await client.invoke(type, "bad", "turns", "1", { timeoutMs }).catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(ActorFailed);
      expect(failed).toMatchObject({ mayHaveRun: true, message: expect.stringContaining("a bug in the twin") });
      expect(calls).toBe(1); // nobody tries again behind the caller's back
      expect(String(await client.invoke(type, "good", "turns", "2", { timeoutMs }))).toBe("fine");
    });

    test("a handler that throws before it gives a promise is no other", async () => {
      const { type, client } = await hosted({
        call: () => {
          throw new Error("at once");
        },
      });
      await expect(client.invoke(type, "a", "turns", "1", { timeoutMs })).rejects.toThrow("at once");
    });

    test("calls to 50 actors run at the same time", async () => {
      const together = gathering(50);
      const { type, client } = await hosted({
        call: async ({ id }) => {
          await together.arrive();
          return Buffer.from(id);
        },
      });
      const ids = Array.from({ length: 50 }, (_, index) => `d${index}`);
      const answers = await Promise.all(ids.map((id) => client.invoke(type, id, "turns", "x", { timeoutMs })));
      expect(answers.map(String)).toEqual(ids);
    });

    test("calls to one actor run one after the other", async () => {
      let inside = 0;
      let most = 0;
      const { type, client } = await hosted({
        call: async ({ body }) => {
          most = Math.max(most, ++inside);
          await new Promise((resolve) => setImmediate(resolve));
          inside--;
          return body;
        },
      });
      await Promise.all(
        Array.from({ length: 20 }, (_, i) => client.invoke(type, "one", "turns", `${i}`, { timeoutMs })),
      );
      expect(most).toBe(1);
    });

    test("when a caller gives up, the next call of that actor begins beside the abandoned one", async () => {
      const together = gathering(2);
      const { type, client } = await hosted({
        call: async ({ body }) => {
          await together.arrive();
          return body;
        },
      });
      await warm(client, type, together);
      const abandoned = client.invoke(type, "slow", "turns", "1", { timeoutMs: 300 });
      await expect(abandoned).rejects.toMatchObject({ code: "DAPR_CALL_TIMED_OUT", mayHaveRun: true });
      expect(String(await client.invoke(type, "slow", "turns", "2", { timeoutMs }))).toBe("2");
    });

    test("a call that came before its host is answered when the host has come", async () => {
      const { sidecar, appPort } = await way.startSidecar(dapr);
      const type = newType();
      const client = openDaprClient({ httpUrl: sidecar.url, connections: 1 });
      const early = client.invoke(type, "a", "turns", "early", { timeoutMs: 15_000 });
      const host = await way.open({
        sidecar,
        appPort,
        types: { types: [type], idleTimeoutSeconds: 60, drainSeconds: 1 },
        handlers: { call: async ({ body }) => body, reminder: async () => {}, deactivated: () => {} },
        onConnection: () => {},
      });
      onTestFinished(async () => {
        await Promise.all([host.close(), client.close()]);
        await sidecar.kill();
      });
      expect(String(await early)).toBe("early");
    });

    test("a reminder comes with its data, once or until it is unregistered", async () => {
      const seen: ActorReminder[] = [];
      const { type, client } = await hosted({
        reminder: async (reminder) => {
          seen.push(reminder);
        },
      });
      const data = { deep: [1, "ü", null, { x: true }] };
      await client.registerReminder(type, "sweeper", "again", { dueTimeMs: 0, periodMs: 1_000, data });
      await client.registerReminder(type, "sweeper", "once", { dueTimeMs: 0 });
      await until(() => seen.filter(({ name }) => name === "again").length === 2);
      await client.unregisterReminder(type, "sweeper", "again");
      expect(seen).toContainEqual({ type, id: "sweeper", name: "again", data });
      expect(seen.filter(({ name }) => name === "once")).toEqual([
        { type, id: "sweeper", name: "once", data: undefined },
      ]);
    });

    test("an actor that nobody calls is deactivated", async () => {
      const gone: { type: string; id: string }[] = [];
      const { type, client } = await hosted({
        idleTimeoutSeconds: 1,
        deactivated: (actor) => {
          gone.push(actor);
        },
      });
      await client.invoke(type, "pump 4", "turns", "1", { timeoutMs });
      await until(() => gone.length > 0);
      expect(gone).toEqual([{ type, id: "pump 4" }]);
    });

    test("close answers what is under way, and takes no more", async () => {
      const together = gathering(2);
      const seen: string[] = [];
      const { type, client, host } = await hosted({
        call: async ({ body }) => {
          seen.push(String(body));
          await together.arrive();
          return body;
        },
      });
      const underWay = client.invoke(type, "a", "turns", "under way", { timeoutMs });
      await until(() => seen.length === 1);
      const closed = host.close();
      const late = client.invoke(type, "b", "turns", "late", { timeoutMs: 1_000 }).catch((error: unknown) => error);
      void together.arrive();
      expect(String(await underWay)).toBe("under way");
      await closed;
      expect(host.connected).toBe(false);
      expect(await late).toMatchObject({ retry: "later" });
      expect(seen).toEqual(["under way"]);
      await host.close(); // again
    });

    test("a sidecar that is killed is waited for, and calls work again", async () => {
      const connections: boolean[] = [];
      const { type, client, host, sidecar } = await hosted({
        call: async ({ body }) => body,
        onConnection: (connected) => {
          connections.push(connected);
        },
      });
      await client.invoke(type, "a", "turns", "before", { timeoutMs });
      await sidecar.kill();
      await until(() => !host.connected);
      await expect(client.invoke(type, "a", "turns", "x", { timeoutMs })).rejects.toMatchObject({
        code: "DAPR_SIDECAR_AWAY",
        mayHaveRun: false,
      });
      await sidecar.restart();
      await until(() => host.connected);
      expect(String(await client.invoke(type, "a", "turns", "after", { timeoutMs }))).toBe("after");
      expect(connections).toEqual([true, false, true]);
    });

    type Hosted = { type: string; client: DaprClient; host: ActorProtocol; sidecar: Daprd };

    /** A host of a type that no other test uses, known to its sidecar and to the placement. */
    async function hosted({
      idleTimeoutSeconds = 60,
      onConnection = () => {},
      ...handlers
    }: Partial<ActorHandlers> & {
      idleTimeoutSeconds?: number;
      onConnection?: (connected: boolean) => void;
    }): Promise<Hosted> {
      const type = newType();
      const { sidecar, appPort } = await way.startSidecar(dapr);
      const host = await way.open({
        sidecar,
        appPort,
        types: { types: [type], idleTimeoutSeconds, drainSeconds: 1 },
        handlers: {
          call: async () => new Uint8Array(),
          reminder: async () => {},
          deactivated: () => {},
          ...handlers,
        },
        onConnection,
      });
      const client = openDaprClient({ httpUrl: sidecar.url, connections: 64 });
      onTestFinished(async () => {
        await Promise.all([host.close(), client.close()]);
        await sidecar.kill();
      });
      await until(() => host.connected);
      return { type, client, host, sidecar };
    }
  });
}

function newType(): string {
  return `Type${randomUUID().replaceAll("-", "")}`;
}

/** The type's first call waits for the placement; it must not eat the time of a call that is meant to be abandoned. */
async function warm(client: DaprClient, type: string, together: Gathering): Promise<void> {
  const first = client.invoke(type, "warm", "turns", "", { timeoutMs });
  await together.arrive();
  await first;
}

type Gathering = { arrive(): Promise<void> };

/** Lets nobody on before `count` have arrived; then begins anew. */
function gathering(count: number): Gathering {
  let waiting: (() => void)[] = [];
  return {
    arrive: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        if (waiting.length < count) return;
        for (const go of waiting) go();
        waiting = [];
      }),
  };
}

const giveUpMs = 20_000;

async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + giveUpMs;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`Not within ${giveUpMs / 1000} s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
