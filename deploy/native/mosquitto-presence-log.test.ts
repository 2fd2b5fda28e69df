import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ConnectedEvent, readLogLine } from "./mosquitto-presence-log.ts";

/** Feeds lines, one per ms from 1,000 on; "S " before a line: on the topic of subscriptions. */
function events(...lines: string[]) {
  const clients = new Map<string, ConnectedEvent>();
  return lines.flatMap((line, index) => {
    const topic = line.startsWith("S ") ? "$SYS/broker/log/M/subscribe" : "$SYS/broker/log/N";
    return readLogLine(clients, topic, line.replace(/^S /, ""), 1_000 + index) ?? [];
  });
}

const connected = (id = "pump-1") => `New client connected from 127.0.0.1:40666 as ${id} (p2, c1, k60).`;

describe("mosquitto's log", () => {
  test("says who connected, how, and as which user", () => {
    expect(events("New client connected from 127.0.0.1:40666 as pump-1 (p5, c0, k7, u'al'ice').")).toEqual([
      {
        event: "client.connected",
        clientid: "pump-1",
        username: "al'ice",
        peername: "127.0.0.1:40666",
        node: "mosquitto",
        connected_at: 1_000,
        timestamp: 1_000,
        keepalive: 7,
        proto_ver: 5,
        clean_start: false,
        expiry_interval: 7_200,
      },
    ]);
    expect(events(connected())).toMatchObject([
      { username: null, proto_ver: 4, clean_start: true, expiry_interval: 0 },
    ]);
  });

  test.each([
    ["Client pump-1 disconnected.", "normal"],
    ["Client pump-1 closed its connection.", "tcp_closed"],
    ["Client pump-1 has exceeded timeout, disconnecting.", "keepalive_timeout"],
    ["Client pump-1 already connected, closing old connection.", "takenover"],
    ["Client pump-1 been disconnected by administrative action.", "kicked"],
    ["Client pump-1 disconnected due to malformed packet.", "protocol_error"],
    ["Bad socket read/write on client pump-1: Unknown error.", "tcp_error"],
  ])("%s is %s, with the time of the connection that ended", (line, reason) => {
    expect(events(connected(), "anything else", line)[1]).toEqual({
      event: "client.disconnected",
      clientid: "pump-1",
      username: null,
      reason,
      node: "mosquitto",
      connected_at: 1_000,
      disconnected_at: 1_002,
      timestamp: 1_002,
    });
  });

  test("a takeover within one millisecond gives the new connection another time", () => {
    const clients = new Map<string, ConnectedEvent>();
    const read = (line: string) => readLogLine(clients, "$SYS/broker/log/N", line, 5_000);
    const times = [
      read(connected()),
      read("Client pump-1 already connected, closing old connection."),
      read(connected()),
      read("Client pump-1 disconnected."),
    ].map((event) => (event as ConnectedEvent).connected_at);
    expect(times).toEqual([5_000, 5_000, 5_001, 5_001]);
  });

  test("a connection that was refused, our own processes, and other lines say nothing", () => {
    expect(
      events(
        "New connection from 127.0.0.1:53472 on port 21885.",
        "Client <unknown> disconnected, not authorised.",
        "Client stranger disconnected.",
        connected("doppel-gateway-1"),
        "S doppel-gateway-1 1 $share/doppel/devices/+/telemetry",
        "Client doppel-gateway-1 disconnected.",
        "Expiring client pump-1 due to timeout.",
        "S doppel-bridge doppel/aws/things/#",
      ),
    ).toEqual([]);
  });

  test("a subscription tells the filter and its QoS, also when names hold spaces and digits", () => {
    expect(
      events(
        "S pump-1 1 devices/pump-1/commands/#",
        connected("pump 1 x"),
        "S pump 1 x 0 $aws/things/pump 1 x/shadow/+",
      ),
    ).toMatchObject([
      { event: "session.subscribed", clientid: "pump-1", topic: "devices/pump-1/commands/#", qos: 1, timestamp: 1_000 },
      { event: "client.connected" },
      { clientid: "pump 1 x", topic: "$aws/things/pump 1 x/shadow/+", qos: 0 },
    ]);
  });

  test("any client id without wildcards comes through whole", () => {
    const ids = fc
      .string({ minLength: 1, unit: "grapheme" })
      .filter((id) => !/[+#]/.test(id) && !id.startsWith("doppel-"));
    fc.assert(
      fc.property(ids, (id) => {
        expect(events(connected(id), `Client ${id} closed its connection.`).map(({ clientid }) => clientid)).toEqual([
          id,
          id,
        ]);
      }),
    );
  });
});
