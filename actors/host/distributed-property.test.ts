import fc from "fast-check";
import { expect, test } from "vitest";
import { hash53 } from "../../core/hash.ts";
import type { NamedTurn } from "../device/turns-wire.ts";
import type { DistributedHost } from "./distributed.ts";

import { logged, named, newWorld, openHost, pause, report, telemetry, twinOf } from "./distributed-testing.ts";

type Step =
  | { readonly kind: "telemetry" | "report"; readonly device: number; readonly again: boolean }
  | { readonly kind: "move"; readonly device: number; readonly told: boolean }
  | { readonly kind: "crash"; readonly host: number }
  | { readonly kind: "failCommit"; readonly how: "before" | "after" }
  | { readonly kind: "failPublish"; readonly stored: "nothing" | "all" }
  | { readonly kind: "pause" };

const device = fc.nat({ max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("telemetry" as const), device, again: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("report" as const), device, again: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("move" as const), device, told: fc.boolean() }) },
  fc.record({ kind: fc.constant("crash" as const), host: fc.nat({ max: 1 }) }),
  fc.record({ kind: fc.constant("failCommit" as const), how: fc.constantFrom("before" as const, "after" as const) }),
  fc.record({ kind: fc.constant("failPublish" as const), stored: fc.constantFrom("nothing" as const, "all" as const) }),
  fc.record({ kind: fc.constant("pause" as const) }),
);

test("whatever dies, moves or fails, each message that was answered is in the log, and has one effect", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const world = newWorld();
      const running = [openHost(world), openHost(world)];
      const left: DistributedHost[] = [];
      const devices = ["a", "b"];
      const place = [0, 1];
      const sent = devices.map(() => ({ readings: 0, reports: 0 }));
      /** As a gateway does: until it is answered. */
      const deliver = async (to: number, turn: NamedTurn) => {
        for (let tries = 0; tries < 20; tries += 1) {
          const answer = await running[place[to]!]!.turns(devices[to]!, [turn]);
          if (answer.kind === "replies") return;
        }
        throw new Error("never answered");
      };
      for (const [index, next] of steps.entries()) {
        world.nowMs += 10;
        switch (next.kind) {
          case "telemetry": {
            sent[next.device]!.readings += 1;
            const input = telemetry(sent[next.device]!.readings);
            await deliver(next.device, named(input));
            if (next.again) await deliver(next.device, named(input, { redelivered: true }));
            break;
          }
          case "report": {
            sent[next.device]!.reports += 1;
            const digest = hash53(`${index}`);
            const turn = named(report(sent[next.device]!.reports), { digest });
            await deliver(next.device, turn);
            if (next.again) await deliver(next.device, { ...turn, turn: `${turn.turn}-again`, redelivered: true });
            break;
          }
          case "move": {
            const from = running[place[next.device]!]!;
            place[next.device] = 1 - place[next.device]!;
            // Whoever lost a twin without being told learns that its sidecar was away, or that it stood still itself,
            // before it is asked again.
            if (next.told) from.deactivated(devices[next.device]!);
            else from.doubtAll();
            break;
          }
          case "crash":
            // It stays as it is and is never asked again, as a process that was stopped in the middle.
            left.push(running[next.host]!);
            running[next.host] = openHost(world);
            break;
          case "failCommit":
            world.failCommit = next.how;
            break;
          case "failPublish":
            world.log.failNextPublish(next.stored);
            break;
          case "pause":
            await pause(1);
        }
      }
      world.failCommit = null;
      for (const [index, name] of devices.entries()) {
        if (sent[index]!.reports > 0) {
          const { shadows } = await twinOf(running[place[index]!]!, name);
          expect(shadows[""]).toMatchObject({ version: sent[index]!.reports });
        }
      }
      await Promise.all([...running, ...left].map((host) => host.close()));
      for (const [index, name] of devices.entries()) {
        const times = logged(world, "iot-telemetry", name).map(({ record }) => "tsMs" in record && record.tsMs);
        expect(times.sort()).toEqual(Array.from({ length: sent[index]!.readings }, (_, at) => 1_700_000_000_001 + at));
        const versions = logged(world, "device-events", name).flatMap(({ record }) =>
          record.kind === "shadowUpdated" ? [record.version] : [],
        );
        expect(versions).toEqual(Array.from({ length: sent[index]!.reports }, (_, at) => at + 1));
      }
      expect(world.database.outbox).toEqual([]);
    }),
    { numRuns: Number(process.env.DOPPEL_PROPERTY_RUNS ?? 60) },
  );
});
