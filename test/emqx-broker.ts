/**
 * The real EMQX for the distributed system, where a Docker engine is: DOPPEL_TEST_BROKER=emqx. It runs in a container with
 * deploy/emqx/emqx.conf, and everything else natively beside it; it asks the gateways through a port of this process.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { GenericContainer, TestContainers, Wait } from "testcontainers";
import type { OutsideBroker } from "../deploy/native/services.ts";

const image = "emqx/emqx:5.8.9";
const authnSecret = "secret-between-emqx-and-gateways";
const api = { key: "doppel", secret: "secret-of-emqx-api-for-doppel" };
const own = { username: "doppel", password: "secret-of-doppel-at-emqx" };

export type EmqxBroker = {
  readonly broker: OutsideBroker;
  /** For every role. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
};

export async function startEmqx(): Promise<EmqxBroker> {
  const gateways = await openForwarder();
  await TestContainers.exposeHostPorts(gateways.port);
  const container = await new GenericContainer(image)
    .withExposedPorts(1883, 1885, 8083, 18083)
    .withEnvironment({
      EMQX_NODE__COOKIE: "cookie-of-one-node",
      EMQX_DASHBOARD__DEFAULT_PASSWORD: "Dashboard-of-a-test-1",
      EMQX_AUTHENTICATION__1__URL: `http://host.testcontainers.internal:${gateways.port}/v1/mqtt/authn`,
      EMQX_AUTHENTICATION__1__HEADERS: JSON.stringify({
        "content-type": "application/json",
        "x-emqx-secret": authnSecret,
      }),
      EMQX_LISTENERS__WS__DEFAULT__ENABLE: "true",
      EMQX_LISTENERS__WS__DEFAULT__BIND: "0.0.0.0:8083",
    })
    .withCopyContentToContainer([
      {
        content: readFileSync(new URL("../deploy/emqx/emqx.conf", import.meta.url)),
        target: "/opt/emqx/etc/emqx.conf",
      },
      { content: `${api.key}:${api.secret}:administrator\n`, target: "/opt/emqx/etc/api_keys.txt" },
    ])
    .withWaitStrategy(Wait.forHttp("/status", 18083))
    .withStartupTimeout(120_000)
    .start()
    .catch(async (error: unknown) => {
      await gateways.close();
      throw error;
    });
  const at = (scheme: string, port: number) => `${scheme}://${container.getHost()}:${container.getMappedPort(port)}`;
  return {
    broker: {
      deviceUrl: at("mqtt", 1883),
      wsUrl: `${at("ws", 8083)}/mqtt`,
      ingressUrl: at("mqtt", 1885),
      ...own,
      gatewaysAt: gateways.to,
    },
    env: {
      DOPPEL_AUTHN_SECRET: authnSecret,
      EMQX_API_URL: at("http", 18083),
      EMQX_API_KEY: api.key,
      EMQX_API_SECRET: api.secret,
    },
    async close() {
      await container.stop();
      await gateways.close();
    },
  };
}

/** A port of this process that leads to the gateways in turn, whichever are up: a name that stands for all of them. */
async function openForwarder() {
  let targets: readonly { host: string; port: number }[] = [];
  let next = 0;
  const sockets = new Set<Socket>();
  const server = createServer((from) => {
    sockets.add(from);
    from.on("error", () => {});
    from.once("close", () => sockets.delete(from));
    reach(targets.length, from);
  });
  const reach = (tries: number, from: Socket): void => {
    const target = targets[next++ % Math.max(1, targets.length)];
    if (tries === 0 || target === undefined) {
      from.destroy();
      return;
    }
    const to = connect(target, () => {
      to.off("error", another);
      to.on("error", () => from.destroy());
      from.once("close", () => to.destroy());
      from.pipe(to).pipe(from);
    });
    const another = () => reach(tries - 1, from);
    to.once("error", another);
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    to(urls: readonly string[]) {
      targets = urls.map((url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) }));
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
