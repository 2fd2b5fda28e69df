import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { type WebSocket, WebSocketServer } from "ws";
import type { Command, DeadLetter, Device, DeviceDetail, LiveMessage } from "../src/contract.ts";
import { makeCluster } from "./cluster.ts";
import { madeUpExports } from "./exports.ts";
import {
  deadLetters,
  detailOf,
  fleetEvents,
  history,
  makeFleet,
  measure,
  metrics,
  presenceEvents,
  statsOf,
} from "./fleet.ts";
import { madeUpRules, qualityReport } from "./quality.ts";
import { queryAnswer } from "./query.ts";

/**
 * Speaks the API's contract from a made-up fleet, and serves web/dist: for looking at the dashboard, and for tests of
 * it, without the system behind it. `apiKey` makes it ask for one; `built` is where the built dashboard is; `members` is
 * of how many processes it pretends to be; `calm` leaves each device as online or offline as it is.
 */
export async function startFake(options: {
  devices: number;
  port?: number;
  apiKey?: string;
  built?: string;
  members?: number;
  calm?: boolean;
}) {
  const cluster = makeCluster({ members: options.members ?? 1, twins: options.devices, nowMs: Date.now() });
  const devices = makeFleet(options.devices, Date.now());
  const byId = new Map(devices.map((device) => [device.id, device]));
  const details = new Map<string, DeviceDetail>();
  const commands = new Map<string, Command[]>();
  const detail = (device: Device) => {
    const made = details.get(device.id) ?? detailOf(device, Date.now());
    details.set(device.id, made);
    return { ...made, ...device, commands: commands.get(device.id) ?? [] };
  };
  const app = new Hono();
  const problem = (c: Context, status: 401 | 404 | 409 | 412 | 422, title: string, text: string) =>
    c.json({ type: "about:blank", title, status, detail: text }, status, {
      "content-type": "application/problem+json",
    });

  app.use("/v1/*", async (c, next) => {
    if (options.apiKey && c.req.header("authorization") !== `Bearer ${options.apiKey}`)
      return problem(c, 401, "Unauthorized", "Send an API key as Authorization: Bearer <key>.");
    return next();
  });
  app.get("/v1/stats", (c) => c.json(statsOf(devices, rate())));
  app.get("/v1/cluster", (c) => c.json(cluster.view(Date.now())));
  app.get("/v1/map", (c) =>
    c.json({ devices: devices.map((d) => [d.id, d.location?.latitude, d.location?.longitude, d.status]) }),
  );
  app.get("/v1/devices", (c) => {
    const { status, flapping, region, type, search, cursor, limit } = c.req.query();
    const found = devices.filter(
      (d) =>
        (!status || d.status === status) &&
        (!flapping || d.flapping) &&
        (!region || d.region === region) &&
        (!type || d.type === type) &&
        (!search || d.id.includes(search) || Object.values(d.tags).some((tag) => tag.includes(search))),
    );
    const start = Number(cursor ?? 0);
    const end = start + Number(limit ?? 50);
    return c.json({
      items: found.slice(start, end),
      next: end < found.length ? String(end) : null,
      total: found.length,
    });
  });
  app.use("/v1/devices/:id/*", async (c, next) => {
    if (byId.has(c.req.param("id"))) return next();
    return problem(c, 404, "No such device", `There is no device "${c.req.param("id")}".`);
  });
  const deviceOf = (c: Context) => byId.get(c.req.param("id") ?? "")!;
  app.get("/v1/devices/:id", (c) => c.json(detail(deviceOf(c))));
  app.delete("/v1/devices/:id", (c) => {
    devices.splice(devices.indexOf(deviceOf(c)), 1);
    byId.delete(c.req.param("id"));
    return c.body(null, 204);
  });
  app.get("/v1/devices/:id/events", (c) => {
    const events = presenceEvents(deviceOf(c), Date.now());
    return c.json({ items: events.slice(0, Number(c.req.query("limit") ?? 20)), next: null });
  });
  app.get("/v1/devices/:id/telemetry", (c) => {
    const { metric = "", from = "", to = "", maxPoints } = c.req.query();
    const startMs = Date.now() - 26 * 86_400_000;
    const range = history(metric, Date.parse(from), Math.min(Date.parse(to), Date.now()), Number(maxPoints), startMs);
    return c.json({ device: c.req.param("id"), ...range });
  });
  app.get("/v1/devices/:id/shadow", (c) => c.json(detail(deviceOf(c)).shadows[c.req.query("name") ?? ""]));
  app.patch("/v1/devices/:id/shadow", async (c) => {
    const name = c.req.query("name") ?? "";
    const shadow = detail(deviceOf(c)).shadows[name];
    if (!shadow) return problem(c, 404, "No such shadow", `No shadow exists with name: ${name}`);
    if (c.req.header("if-match") !== `"${shadow.version}"`)
      return problem(c, 409, "Version conflict", `The shadow is at version ${shadow.version}.`);
    const { state } = (await c.req.json()) as { state: { desired: Record<string, never> } };
    const desired = { ...shadow.state.desired, ...state.desired };
    for (const key of Object.keys(desired)) if (desired[key] === null) delete desired[key];
    shadow.state = { ...shadow.state, desired };
    shadow.version += 1;
    tell({ type: "shadow", device: c.req.param("id"), shadow: name, version: shadow.version, state: shadow.state });
    return c.json(shadow);
  });
  app.get("/v1/devices/:id/commands", (c) => c.json({ items: commands.get(c.req.param("id")) ?? [], next: null }));
  app.post("/v1/devices/:id/commands", async (c) => {
    const { name, parameters, expiresInSeconds } = await c.req.json();
    const device = deviceOf(c);
    const list = commands.get(device.id) ?? [];
    const now = Date.now();
    const command: Command = {
      id: `c-${list.length + 1}`,
      device: device.id,
      name,
      parameters: parameters ?? {},
      state: device.status === "online" ? "sent" : "queued",
      createdAt: new Date(now).toISOString(),
      updatedAt: new Date(now).toISOString(),
      expiresAt: expiresInSeconds ? new Date(now + expiresInSeconds * 1000).toISOString() : null,
      progress: null,
      result: null,
      reason: null,
    };
    commands.set(device.id, [command, ...list]);
    return c.json(command, 202);
  });
  app.post("/v1/devices/:id/commands/:command/cancel", (c) => {
    const command = commands.get(c.req.param("id"))?.find(({ id }) => id === c.req.param("command"));
    if (!command) return problem(c, 404, "No such command", "It may have been deleted.");
    command.state = "cancelled";
    return c.json(command);
  });
  app.get("/v1/query", (c) => c.json(queryAnswer(new URL(c.req.url).searchParams, Date.now())));
  app.get("/v1/quality", (c) => c.json(qualityReport(new URL(c.req.url).searchParams, Date.now())));
  const rules = madeUpRules();
  const rulesOf = (c: Context) => {
    const { etag, ...view } = rules.read(c.req.param("type") ?? "");
    return c.json(view, 200, { etag });
  };
  app.get("/v1/device-types/:type/quality", rulesOf);
  app.put("/v1/device-types/:type/quality", async (c) => {
    if (rules.put(c.req.param("type"), await c.req.json(), c.req.header("if-match"))) return rulesOf(c);
    return problem(c, 412, "Precondition failed", "Someone changed the rules.");
  });
  const exports = madeUpExports(Date.now);
  app.get("/v1/exports", (c) => c.json(exports.list()));
  app.post("/v1/exports", async (c) => c.json(exports.make(await c.req.json()), 201));
  app.get("/v1/exports/:id/files/:name", (c) => c.text("device_id,metric,ts,value,flags\r\n"));
  app.delete("/v1/exports/:id", (c) => {
    exports.remove(c.req.param("id"));
    return c.body(null, 204);
  });
  app.get("/v1/events", (c) =>
    c.json({ items: fleetEvents(devices, Date.now()).slice(0, Number(c.req.query("limit") ?? 20)), next: "more" }),
  );
  const letters = deadLetters(devices, Date.now());
  app.get("/v1/dead-letters", (c) => {
    const { device, reason, rule, cursor } = c.req.query();
    const start = Number(cursor ?? 0);
    const found = letters.filter(
      (letter) =>
        (!device || letter.device === device) &&
        (!reason || letter.reason === reason) &&
        (!rule || letter.broken?.some((one) => one.rule === rule)),
    );
    const next = start + 50 < found.length ? String(start + 50) : null;
    return c.json({ items: found.slice(start, start + 50), next });
  });
  app.get("/v1/dead-letters/:id", (c) => c.json(letters.find(({ id }) => id === c.req.param("id"))));
  const resend = (letter: DeadLetter, corrected: boolean) => {
    const at = new Date().toISOString();
    const outcome = {
      kind: "counted" as const,
      accepted: corrected ? 1 : 0,
      duplicates: 0,
      refused: corrected ? 0 : 1,
    };
    letter.resend = { state: "sent", by: "anyone", at, corrected, tries: 1, outcome, detail: "It was sent." };
    return { id: letter.id, status: "sent", detail: "It was sent.", outcome };
  };
  app.post("/v1/dead-letters/resend", async (c) => {
    const { ids } = (await c.req.json()) as { ids: string[] };
    const items = letters.filter(({ id }) => ids.includes(id)).map((letter) => resend(letter, false));
    return c.json({ items, next: null });
  });
  app.post("/v1/dead-letters/:id/resend", async (c) => {
    const letter = letters.find(({ id }) => id === c.req.param("id"));
    if (!letter) return problem(c, 404, "No such dead letter", "It may be past its retention.");
    if (letter.resend) return problem(c, 409, "Conflict", "It was sent again before.");
    const { payloadBase64 } = (await c.req.json()) as { payloadBase64?: string };
    return c.json(resend(letter, payloadBase64 !== undefined));
  });
  app.get("/*", async (c) => serveBuilt(c, options.built ?? fileURLToPath(new URL("../dist", import.meta.url))));

  const server = serve({ fetch: app.fetch, port: options.port ?? 0, hostname: "127.0.0.1" });
  await new Promise((resolve) => server.once("listening", resolve));
  const live = new WebSocketServer({ noServer: true });
  const followers = new Map<WebSocket, { fleet: boolean; devices: Set<string> }>();
  server.on("upgrade", (request, socket, head) => {
    const key = new URL(request.url ?? "", "http://fake").searchParams.get("key");
    if (options.apiKey && key !== options.apiKey) return socket.destroy();
    live.handleUpgrade(request, socket as never, head, (client) => {
      const follower = { fleet: false, devices: new Set<string>() };
      followers.set(client, follower);
      client.on("close", () => followers.delete(client));
      client.on("message", (data) => {
        const { subscribe, unsubscribe } = JSON.parse(String(data));
        if (subscribe?.fleet) follower.fleet = true;
        if (unsubscribe?.fleet) follower.fleet = false;
        for (const id of subscribe?.devices ?? []) follower.devices.add(id);
        for (const id of unsubscribe?.devices ?? []) follower.devices.delete(id);
      });
    });
  });
  const tell = (message: LiveMessage) => {
    for (const [client, follower] of followers) {
      const about = "device" in message && follower.devices.has(message.device);
      const fleet = follower.fleet && (message.type === "presence" || message.type === "stats");
      if (about || fleet) client.send(JSON.stringify(message));
    }
  };
  const setOnline = (device: Device, online: boolean) => {
    device.status = online ? "online" : "offline";
    device.since = new Date().toISOString();
    device.lastSeen = device.since;
    device.connected = online;
    const { id, status, since, connected, flapping, lastSeen } = device;
    tell({ type: "presence", device: id, status, since, connected, flapping, lastSeen });
  };
  const timer = setInterval(() => {
    if (devices.length === 0) return;
    tell({ type: "stats", ...statsOf(devices, rate()) });
    for (let some = 0; some < (options.calm ? 0 : 3); some++) {
      const device = devices[Math.floor(Math.random() * devices.length)]!;
      setOnline(device, device.status === "offline");
    }
    for (const { devices: followed } of followers.values()) {
      for (const id of followed) {
        const ts = new Date().toISOString();
        const readings = Object.fromEntries(metrics.map((metric) => [metric, measure(metric, Date.now())]));
        if (byId.get(id)?.status === "online") tell({ type: "telemetry", device: id, ts, readings });
      }
    }
  }, 1000);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    devices,
    cluster,
    setOnline,
    tell,
    commands,
    /** Breaks every live connection, as a restart of the server would. */
    drop: () => {
      for (const client of followers.keys()) client.terminate();
    },
    close: async () => {
      clearInterval(timer);
      for (const client of followers.keys()) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function rate(): number {
  return Math.round((10_000 + 900 * Math.sin(Date.now() / 9000) + 500 * Math.random()) * 10) / 10;
}

const kinds: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

async function serveBuilt(c: Context, root: string) {
  const asked = normalize(c.req.path);
  const file = extname(asked) === "" ? "/index.html" : asked;
  const kind = kinds[extname(file)] ?? "application/octet-stream";
  const body = await readFile(join(root, file)).catch(() => null);
  if (body === null) return c.text(`${file} is not built. Run vite build --config web/vite.config.ts.`, 404);
  return c.body(new Uint8Array(body), 200, { "content-type": kind });
}
