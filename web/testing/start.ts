import { startFake } from "./fake-server.ts";

/**
 * `node web/testing/start.ts [devices] [port] [members]`: the dashboard over a made-up fleet. Of more than one member,
 * a host dies every 40 s and is back 15 s later.
 */
const [devices = "10000", port = "5180", members = "1"] = process.argv.slice(2);
const { cluster, url } = await startFake({
  devices: Number(devices),
  port: Number(port),
  members: Number(members),
  ...(process.env.FAKE_API_KEY ? { apiKey: process.env.FAKE_API_KEY } : {}),
});
console.log(`Dashboard over ${devices} made-up devices: ${url}`);
if (Number(members) > 1) {
  setInterval(() => {
    cluster.kill("actors-2");
    setTimeout(() => cluster.restart("actors-2", Date.now()), 15_000);
  }, 40_000);
}
