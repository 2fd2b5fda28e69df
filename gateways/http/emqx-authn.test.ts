import { describe, expect, test } from "vitest";
import { openMemoryCredentials } from "../../ports/credentials/memory.ts";
import { type EmqxAuthnOptions, emqxAuthn } from "./emqx-authn.ts";

const secret = "what EMQX knows";
const own = { username: "doppel", password: "of our processes" };
/** As EMQX 5.8.9 sent it for a client without user name and certificate. */
const recorded = { username: "", password: "", clientid: "pump-4", peerhost: "10.1.2.3", cert_cn: "" };

async function endpoint(more: Partial<EmqxAuthnOptions> = {}) {
  const credentials = openMemoryCredentials();
  const { secret: token } = await credentials.create("device", "pump-4");
  const { secret: key } = await credentials.create("app", "wall");
  const refused: string[] = [];
  const registered = new Set(["pump-4", "pump-5"]);
  const app = emqxAuthn({
    host: {
      ask: async (device) => (registered.has(device) ? { kind: "done" } : { kind: "unknownDevice" }),
    },
    credentials,
    openRegistry: false,
    secret,
    own,
    meter: { connectionRefused: (reason) => refused.push(reason) },
    log: { warn: () => {} },
    ...more,
  });
  const ask = async (body: object | string, header: string | null = secret) => {
    const headers = { "content-type": "application/json", ...(header === null ? {} : { "x-emqx-secret": header }) };
    const answer = await app.request("/v1/mqtt/authn", {
      method: "POST",
      headers,
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    return (await answer.json()) as { result: string; is_superuser?: boolean; acl?: { topic: string }[] };
  };
  return { ask, refused, token, key };
}

const deny = { result: "deny" };

describe("EMQX asks who may connect", () => {
  test("a device with its token gets the list of what it may do, by user name or client id alone", async () => {
    const { ask, token } = await endpoint();
    const answer = await ask({ ...recorded, password: token });
    expect(answer).toMatchObject({ result: "allow", is_superuser: false });
    expect(answer.acl).toContainEqual({ permission: "allow", action: "all", topic: "devices/pump-4/#" });
    expect(answer.acl).toContainEqual({ permission: "deny", action: "publish", topic: "devices/pump-4/commands" });
    const named = { ...recorded, username: "pump-4?SDK=Python&Version=1.4.9", clientid: "socket-7", password: token };
    expect(await ask(named)).toEqual(answer);
  });

  test("an app with its key may hear everything, and not forge presence", async () => {
    const { ask, key } = await endpoint();
    const answer = await ask({ ...recorded, username: "app:wall", clientid: "dashboard", password: key });
    expect(answer.acl![0]).toEqual({ permission: "deny", action: "publish", topic: "presence/#" });
    expect(answer.acl).toContainEqual({ permission: "allow", action: "all", topic: "#" });
  });

  test.each([
    ["no token", {}, "badCredentials"],
    ["another device's token", { username: "pump-5", password: "its" }, "badCredentials"],
    ["an app key that nobody knows", { username: "app", password: "guess" }, "badCredentials"],
    ["an id that no device can have", { clientid: "pump 4" }, "badClientId"],
    ["no client id", { clientid: "" }, "malformed"],
  ])("%s is refused", async (_what, more, code) => {
    const { ask, refused } = await endpoint();
    expect(await ask({ ...recorded, ...more })).toEqual(deny);
    expect(refused).toEqual([code]);
  });

  test("a device that is not in the registry is refused, unless the registry is open", async () => {
    const stranger = { ...recorded, clientid: "pump-9" };
    const closed = await endpoint({ credentials: null });
    expect(await closed.ask(stranger)).toEqual(deny);
    expect(closed.refused).toEqual(["notAuthorized"]);
    const open = await endpoint({ credentials: null, openRegistry: true });
    expect(await open.ask(stranger)).toMatchObject({ result: "allow" });
  });

  test("a verified certificate names the device, needs no token, and makes nobody an app", async () => {
    const { ask } = await endpoint();
    const certified = { ...recorded, clientid: "pump-4", username: "pump-4", cert_cn: "pump-4" };
    expect(await ask(certified)).toMatchObject({ result: "allow" });
    expect(await ask({ ...certified, username: "app", cert_cn: "app" })).toEqual(deny);
    expect(await ask({ ...certified, username: "app:wall", password: "guess", cert_cn: "pump-9" })).toEqual(deny);
  });

  test("no device ends another's connection by coming with its client id", async () => {
    const { ask, token, refused } = await endpoint();
    expect(await ask({ ...recorded, username: "pump-4", password: token, clientid: "pump-5" })).toEqual(deny);
    expect(refused).toEqual(["badClientId"]);
  });

  test.each(["a/b", "a+", "#"])("a client id whose presence could not be told is refused: %s", async (clientid) => {
    const { ask, token } = await endpoint();
    expect(await ask({ ...recorded, username: "pump-4", password: token, clientid })).toEqual(deny);
  });

  test("our own processes may do everything, by their password and their client ids alone", async () => {
    const { ask, token } = await endpoint();
    const ours = { ...recorded, clientid: "doppel-gateway-1", ...own };
    expect(await ask(ours)).toEqual({ result: "allow", is_superuser: true });
    expect(await ask({ ...ours, password: "guess" })).toEqual(deny);
    expect(await ask({ ...ours, clientid: "pump-4" })).toEqual(deny);
    expect(await ask({ ...ours, username: "pump-4", password: token })).toEqual(deny);
  });

  test("who does not know the secret is told no", async () => {
    const { ask, token } = await endpoint();
    const body = { ...recorded, password: token };
    expect([await ask(body, null), await ask(body, "guess")]).toEqual([deny, deny]);
    const unset = await endpoint({ secret: "" });
    expect(await unset.ask({ ...recorded, password: unset.token }, "")).toEqual(deny);
  });

  test("what cannot be decided is refused, in time", async () => {
    const failing = await endpoint({ host: { ask: () => Promise.reject(new Error("no actor host")) } });
    expect(await failing.ask({ ...recorded, password: failing.token })).toEqual(deny);
    expect(failing.refused).toEqual(["unavailable"]);
    const hanging = await endpoint({ host: { ask: () => new Promise(() => {}) }, timeoutMs: 10 });
    expect(await hanging.ask({ ...recorded, password: hanging.token })).toEqual(deny);
  });

  test.each(["", "{", "[]", '"x"', "null", `{"clientid":"${"x".repeat(20_000)}"}`])(
    "a body that is no client is refused (%#)",
    async (body) => {
      const { ask } = await endpoint();
      expect(await ask(body)).toEqual(deny);
    },
  );
});
