import { expect, test } from "vitest";
import type { MessageDelivery } from "../../../actors/host/port.ts";
import { throughBroker } from "../../../core/device/broker-session.ts";
import { takeTurn } from "../../../core/device/decide.ts";
import type { Reply, TwinInput } from "../../../core/device/inputs.ts";
import { defaultPolicy } from "../../../core/device/policy.ts";
import { newTwin, type Twin } from "../../../core/device/twin.ts";
import { MemoryDownlink } from "../../../ports/downlink/memory.ts";
import type { PublishOutcome } from "../broker-port.ts";
import { openDeviceApplication } from "../device-application.ts";
import { brokerMessages, downlinkBroker } from "./broker-messages.ts";

type Delivered = { device: string; input: TwinInput; about: MessageDelivery | undefined };

/** A gateway over twins in memory. `answer: "later"` leaves the replies to the test. */
function gateway({ answer = "now", openRegistry = true }: { answer?: "now" | "later"; openRegistry?: boolean } = {}) {
  const twins = new Map<string, Twin>();
  const delivered: Delivered[] = [];
  const waiting: (() => void)[] = [];
  const downlink = new MemoryDownlink();
  const counts: string[] = [];
  const clock = { ms: 1_760_000_000_000 };
  const handle = brokerMessages({
    host: {
      ask: async () => ({ kind: "unknownDevice" }),
      deliver(device, input, done: (reply: Reply) => void, about) {
        delivered.push({ device, input, about });
        const take = () => {
          const twin = twins.get(device) ?? newTwin(device);
          const context = { nowMs: clock.ms, policyOf: () => defaultPolicy, node: null, openRegistry };
          const outcome = takeTurn(twin, throughBroker(twin, input, clock.ms), context);
          twins.set(device, outcome.twin);
          done(outcome.reply);
        };
        if (answer === "now") take();
        else waiting.push(take);
      },
    },
    downlink,
    now: () => clock.ms,
    meter: {
      received: () => {},
      telemetry: () => {},
      acknowledged: () => {},
      refused: (reason) => counts.push(`refused ${reason}`),
      connectionRefused: () => {},
      violation: (reason) => counts.push(reason),
    },
    log: { warn: () => {} },
  });
  const say = (topic: string, body: string | object, redelivered = false) => {
    const outcomes: PublishOutcome[] = [];
    const payload = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
    handle({ topic, payload, qos: 1, retain: false, will: false, redelivered }, (outcome) => outcomes.push(outcome));
    return outcomes;
  };
  return { say, delivered, waiting, downlink, counts, clock, twins };
}

const connected = {
  event: "client.connected",
  clientid: "pump-4",
  connected_at: 1_759_999_990_000,
  node: "emqx@1",
  clean_start: true,
};

test("telemetry reaches its twin, and is acknowledged when the twin has answered", () => {
  const { say, waiting, delivered, twins } = gateway({ answer: "later" });
  const outcomes = say("devices/pump-4/telemetry", { readings: { temperature: 20 } });
  expect([delivered[0]?.device, outcomes]).toEqual(["pump-4", []]);
  waiting[0]!();
  expect(outcomes).toEqual([{ kind: "accept" }]);
  expect(twins.get("pump-4")?.presence.phase).toBe("online");
});

test("presence that the broker tells opens and ends the device's session", () => {
  const { say, twins, delivered } = gateway();
  say("presence/pump-4", connected);
  expect(twins.get("pump-4")?.presence).toMatchObject({ phase: "online", session: { id: "pump-4@1759999990000" } });
  say("devices/pump-4/heartbeat", "");
  say("presence/pump-4", { ...connected, event: "client.disconnected", reason: "normal" });
  expect(twins.get("pump-4")?.presence).toMatchObject({ phase: "offline", session: null });
  expect(delivered[0]?.about).toEqual({ redelivered: false, digest: 0 });
});

test("a message that is delivered again says so, and is known by what it says; telemetry by its own identity", () => {
  const { say, delivered } = gateway();
  say("devices/pump-4/commands/c1/ack", { status: "succeeded" });
  say("devices/pump-4/commands/c1/ack", { status: "succeeded" }, true);
  say("devices/pump-4/commands/c2/ack", { status: "succeeded" }, true);
  say("devices/pump-4/telemetry", { readings: { t: 1 } }, true);
  const [first, again, other, telemetry] = delivered.map(({ about }) => about!);
  expect([first!.redelivered, again!.redelivered]).toEqual([false, true]);
  expect(first!.digest).toBe(again!.digest);
  expect(first!.digest).not.toBe(other!.digest);
  expect(telemetry).toEqual({ redelivered: true, digest: 0 });
});

test("the answer to a shadow request goes out through the broker", () => {
  const { say, downlink } = gateway();
  say("presence/pump-4", connected);
  say("$aws/things/pump-4/shadow/get", { clientToken: "t1" });
  expect(downlink.sent.map(({ topic }) => topic)).toEqual(["$aws/things/pump-4/shadow/get/rejected"]);
  expect(JSON.parse(`${downlink.sent[0]!.payload}`)).toMatchObject({ code: 404, clientToken: "t1" });
});

test("a thing may have ten shadow requests in flight, another thing its own ten", () => {
  const { say, downlink, waiting, counts } = gateway({ answer: "later" });
  for (let n = 0; n < 11; n++) say("$aws/things/pump-4/shadow/get", {});
  say("$aws/things/pump-5/shadow/get", {});
  expect([waiting.length, counts]).toEqual([11, ["refused too-many-requests"]]);
  expect(JSON.parse(`${downlink.sent[0]!.payload}`)).toMatchObject({ code: 429 });
  waiting[0]!();
  say("$aws/things/pump-4/shadow/get", {});
  expect(waiting).toHaveLength(12);
});

test("what the broker gives to its subscribers itself does not go out again", () => {
  const { say, downlink } = gateway();
  say("devices/pump-4/telemetry", { readings: { t: 1 } });
  say("devices/pump-4/status", "offline");
  expect(downlink.sent).toEqual([]);
});

test("a message for no device, and one for a device that is not known, are refused and counted", () => {
  const { say, counts } = gateway({ openRegistry: false });
  expect(say("plant/1/telemetry", "{}")[0]).toMatchObject({ kind: "refuse" });
  expect(say("devices/pump-9/telemetry", "{}")[0]).toMatchObject({ kind: "refuse" });
  expect(counts).toEqual(["refused foreign-topic", "refused unknown-device"]);
});

test("malformed presence is counted, acknowledged, and harms nobody", () => {
  const { say, counts, delivered } = gateway();
  expect(say("presence/pump-4", "{")).toEqual([{ kind: "accept" }]);
  expect([counts, delivered]).toEqual([["malformed presence"], []]);
});

test("what an app publishes over HTTP goes to the broker, which gives it to subscribers and gateways", async () => {
  const downlink = new MemoryDownlink();
  const never = () => {
    throw new Error("goes through the broker");
  };
  const application = openDeviceApplication({
    host: { ask: never, deliver: never },
    credentials: null,
    openRegistry: false,
    nodeId: "apis-1",
    now: () => 0,
    meter: {
      received: never,
      telemetry: never,
      acknowledged: never,
      refused: never,
      connectionRefused: never,
      violation: never,
    },
    fansOut: false,
  });
  application.attach(downlinkBroker(downlink, { warn: () => {} }));
  const publish = (topic: string) =>
    application.publishFromApp({ topic, payload: Buffer.from("{}"), qos: 1, retain: false });
  expect(await publish("devices/pump-4/telemetry")).toEqual({ kind: "accept" });
  expect(downlink.sent).toMatchObject([{ topic: "devices/pump-4/telemetry", qos: 1 }]);
  for (const topic of ["devices/pump-4/commands", "presence/pump-4", "$aws/things/pump-4/shadow/update/delta"])
    expect(await publish(topic)).toMatchObject({ kind: "refuse", reasonCode: 0x90 });
  downlink.connected = false;
  await expect(publish("plant/1")).rejects.toMatchObject({ code: "BROKER_AWAY" });
});
