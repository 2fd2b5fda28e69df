import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { upSubscriptions } from "../../gateways/mqtt/emqx/ingress.ts";
import { presenceEvent } from "../../gateways/mqtt/emqx/presence-events.ts";
import { type Hocon, readHocon } from "./hocon.ts";

const text = readFileSync(join(import.meta.dirname, "emqx.conf"), "utf8");
const config = readHocon(text);
/** A placeholder that EMQX fills in. */
const filledIn = (name: string) => `\${${name}}`;

function at(path: string, from: Hocon = config): Hocon | undefined {
  return path.split("/").reduce<Hocon | undefined>((value, key) => (value as Record<string, Hocon>)?.[key], from);
}

/** The columns of a rule's SELECT, with values as EMQX would give them. */
function selected(rule: string, values: Record<string, unknown>): Uint8Array {
  const sql = at(`rule_engine/rules/${rule}/sql`) as string;
  const columns = /^SELECT (.+) FROM "\$events\/\w+"$/.exec(sql)![1]!.split(", ");
  return Buffer.from(JSON.stringify(Object.fromEntries(columns.map((column) => [column, values[column]]))));
}

describe("deploy/emqx/emqx.conf", () => {
  test("lets nobody in whom no gateway lets in, and lets them do nothing that no rule allows", () => {
    expect(at("authorization/no_match")).toBe("deny");
    expect(at("authorization/sources")).toEqual([]);
    const authentication = at("authentication") as Hocon[];
    expect(authentication).toHaveLength(1);
    expect(authentication[0]).toMatchObject({ enable: "true", backend: "http", method: "post" });
    expect(at("0/url", authentication)).toMatch(/\/v1\/mqtt\/authn$/);
  });

  test("asks with the body that gateways/http/emqx-authn.ts reads", () => {
    expect(at("authentication/0/body")).toEqual({
      clientid: filledIn("clientid"),
      username: filledIn("username"),
      password: filledIn("password"),
      peerhost: filledIn("peerhost"),
      cert_cn: filledIn("cert_common_name"),
    });
  });

  test("holds no secret: a gateway refuses everybody until it has been given one", () => {
    expect(at("authentication/0/headers")).toEqual({ "content-type": "application/json" });
    expect(text).not.toMatch(/cookie|default_password|change-?me/i);
  });

  test("opens no port for devices but the one that is documented", () => {
    expect(at("listeners/tcp")).toMatchObject({ default: { bind: "0.0.0.0:1883" }, ingress: { bind: "0.0.0.0:1885" } });
    for (const other of ["ssl", "ws", "wss"]) expect(at(`listeners/${other}/default`)).toEqual({ enable: "false" });
  });

  test("gives the gateways room for a flood, and never bans them", () => {
    expect(at("listeners/tcp/ingress/zone")).toBe("ingress");
    expect(at("zones/ingress")).toMatchObject({
      mqtt: { max_inflight: "1024", max_mqueue_len: "100000" },
      force_shutdown: { max_heap_size: "512MB" },
      flapping_detect: { enable: "false" },
    });
  });

  test("keeps what a device says in order, and its presence, in the groups that the gateways use", () => {
    const groups = new Set(upSubscriptions("doppel").map((filter) => filter.split("/")[1]));
    const ordered = Object.entries(at("broker/shared_subscription_group") as Record<string, Hocon>);
    expect(Object.fromEntries(ordered)).toEqual({
      doppel: { strategy: "hash_clientid" },
      "doppel-presence": { strategy: "hash_topic" },
    });
    expect(new Set(ordered.map(([group]) => group))).toEqual(groups);
  });

  test("tells of connections, their ends and subscriptions in a form that the gateways read", () => {
    const client = { clientid: "pump-4", username: "undefined", node: "emqx@1", connected_at: 1_760_000_000_000 };
    const read = (rule: string, values: object) => {
      const action = at(`rule_engine/rules/${rule}/actions/0`);
      expect(action).toMatchObject({
        function: "republish",
        args: { topic: `presence/${filledIn("clientid")}`, payload: filledIn(".") },
      });
      return presenceEvent(selected(rule, { ...client, ...values }));
    };
    const resumed = { event: "client.connected", clean_start: false, expiry_interval: 7_200 };
    expect(read("presence_up", resumed)).toMatchObject({
      inputs: [{ kind: "connected" }, { kind: "listening" }, { kind: "listening" }],
    });
    expect(read("presence_down", { event: "client.disconnected", reason: "normal" })).toMatchObject({
      inputs: [{ kind: "disconnected", session: "pump-4@1760000000000", graceful: true }],
    });
    expect(read("presence_listening", { event: "session.subscribed", topic: "devices/pump-4/commands" })).toMatchObject(
      {
        inputs: [{ kind: "listening" }],
      },
    );
  });

  test("the commented TLS block can be taken in as it stands", () => {
    const block = text
      .split("\n")
      .filter((line) => /^# /.test(line))
      .map((line) => line.slice(2));
    const tls = readHocon(block.join("\n"));
    expect(at("listeners/ssl/default/ssl_options", tls)).toMatchObject({
      verify: "verify_peer",
      fail_if_no_peer_cert: "true",
      versions: ["tlsv1.3", "tlsv1.2"],
    });
  });
});

describe("HOCON", () => {
  test.each([
    ["a {", 'Line 1: "the end of the file" where a key should be.'],
    ["a = 1 b = 2", 'Line 1: "b" where the end of the value should be.'],
    ["a = [1\n", "Line 2: "],
    ['a = "open\n', "Line 1: cannot be read"],
    ["a b", 'Line 1: "b" where = or { should be.'],
  ])("that is broken is said with its line: %j", (broken, problem) => {
    expect(() => readHocon(broken)).toThrow(problem);
  });

  test("merges dotted keys and objects", () => {
    expect(readHocon('a.b { c = 1, "d.e" = 2 }\na.b.c = 3 # later\na { f = [x, y] }')).toEqual({
      a: { b: { c: "3", "d.e": "2" }, f: ["x", "y"] },
    });
  });
});
