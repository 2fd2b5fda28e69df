import { startFake } from "./fake-server.ts";

/** `node web/testing/start.ts [devices] [port]`: the dashboard over a made-up fleet. */
const [devices = "10000", port = "5180"] = process.argv.slice(2);
const fake = await startFake({
  devices: Number(devices),
  port: Number(port),
  ...(process.env.FAKE_API_KEY ? { apiKey: process.env.FAKE_API_KEY } : {}),
});
console.log(`Dashboard over ${devices} made-up devices: ${fake.url}`);
