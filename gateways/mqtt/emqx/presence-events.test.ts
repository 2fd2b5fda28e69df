import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { everyShadow } from "../../../core/device/shadow.ts";
import { presenceEvent } from "./presence-events.ts";

const event = (body: object) => presenceEvent(Buffer.from(JSON.stringify(body)));
/** As EMQX 5.8.9 republished them. */
const up = {
  event: "client.connected",
  clientid: "pump-4",
  username: null,
  peername: "10.1.2.3:50123",
  node: "emqx@10.0.0.1",
  connected_at: 1_760_000_000_123,
  timestamp: 1_760_000_000_130,
  keepalive: 60,
  proto_ver: 5,
  clean_start: true,
  expiry_interval: 0,
};
const down = {
  event: "client.disconnected",
  clientid: "pump-4",
  username: null,
  reason: "tcp_closed",
  node: "emqx@10.0.0.1",
  connected_at: 1_760_000_000_123,
  disconnected_at: 1_760_000_100_000,
  timestamp: 1_760_000_100_000,
};
const subscribed = { event: "session.subscribed", clientid: "pump-4", username: null, topic: "t", qos: 1 };

describe("presence that a broker tells", () => {
  test("a connection begins a session that is named by client and time", () => {
    expect(event(up)).toEqual({
      kind: "device",
      device: "pump-4",
      inputs: [
        {
          kind: "connected",
          session: { id: "pump-4@1760000000123", connectedAtMs: 1_760_000_000_123, node: "emqx@10.0.0.1" },
        },
      ],
    });
  });

  test.each([
    ["normal", true, "client disconnected"],
    ["tcp_closed", false, "socket closed"],
    ["keepalive_timeout", false, "keep-alive elapsed"],
    ["kicked", false, "disconnected by an administrator"],
    ["shutdown", false, "shutdown"],
  ])("its end for the reason %s is graceful: %s, in words: %s", (reason, graceful, words) => {
    expect(event({ ...down, reason })).toEqual({
      kind: "device",
      device: "pump-4",
      inputs: [{ kind: "disconnected", session: "pump-4@1760000000123", graceful, reason: words }],
    });
  });

  test.each(["takenover", "discarded"])("a connection that is %s tells nothing: its successor does", (reason) => {
    expect(event({ ...down, reason })).toEqual({ kind: "nothing" });
  });

  test.each([
    ["pump-4", "socket-7", "pump-4"],
    ["pump-4?SDK=Python&Version=1.4.9", "socket-7", "pump-4"],
    ["?SDK=NodeJSv2&Version=1.28.0", "pump-4", "pump-4"],
    ["undefined", "pump-4", "pump-4"],
    ["", "pump-4", "pump-4"],
  ])("user name %j and client id %j are the device %s", (username, clientid, device) => {
    expect(event({ ...up, username, clientid })).toMatchObject({ kind: "device", device });
  });

  test.each([
    { clientid: "doppel-gateway-1", username: "doppel" },
    { clientid: "dashboard", username: "app" },
    { clientid: "dashboard", username: "app:wall" },
    { clientid: "no device id can have spaces" },
  ])("apps, our own processes and what no device can be called tell nothing: %j", (who) => {
    for (const body of [up, down, subscribed]) expect(event({ ...body, ...who })).toEqual({ kind: "nothing" });
  });

  test.each([
    ["devices/pump-4/commands", [{ channel: "commands" }]],
    ["devices/pump-4/#", [{ channel: "commands" }]],
    ["$aws/things/pump-4/shadow/update/delta", [{ channel: "shadowDelta", shadow: "" }]],
    ["$aws/things/pump-4/shadow/name/config/update/delta", [{ channel: "shadowDelta", shadow: "config" }]],
    ["$aws/things/pump-4/#", [{ channel: "shadowDelta", shadow: everyShadow }]],
  ])("a subscription to %s listens to %j, in whatever session is the live one", (topic, to) => {
    expect(event({ ...subscribed, topic })).toMatchObject({
      device: "pump-4",
      inputs: to.map((channel) => ({ kind: "listening", session: "broker", to: channel })),
    });
  });

  test("a subscription to anything else means nothing to a twin", () => {
    expect(event({ ...subscribed, topic: "devices/pump-4/notes" })).toEqual({ kind: "nothing" });
  });

  test("a client that may have resumed its session is taken to listen: EMQX does not say", () => {
    const resumed = event({ ...up, clean_start: false, expiry_interval: 7_200 });
    expect(resumed).toMatchObject({ inputs: [{ kind: "connected" }, { kind: "listening" }, { kind: "listening" }] });
    expect(event({ ...up, clean_start: false, expiry_interval: 0 })).toMatchObject({ inputs: [{ kind: "connected" }] });
  });

  test.each([
    ["not JSON", "no JSON object"],
    ["[1]", "no JSON object"],
    ["{}", "no clientid"],
    ['{"clientid":"a","event":"client.danced"}', 'the event "client.danced" is none of ours'],
    ['{"clientid":"a","event":"client.connected","connected_at":"now"}', "connected_at is no time in ms"],
    ['{"clientid":"a","event":"client.disconnected"}', "connected_at is no time in ms"],
    ['{"clientid":"a","event":"session.subscribed"}', "no topic"],
  ])("%s is malformed: %s", (text, problem) => {
    expect(presenceEvent(Buffer.from(text))).toEqual({ kind: "malformed", problem });
  });

  test("whatever is said there, it is read without harm", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          expect(["device", "nothing", "malformed"]).toContain(presenceEvent(bytes).kind);
        },
      ),
    );
  });
});
