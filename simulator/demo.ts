import { type Simulation, simulate } from "./simulate.ts";

/** `npm start -- --demo`: a small fleet inside the process, over the same wire as any other. */
export function startDemo(
  { demoDevices: devices }: { demoDevices: number },
  { mqttPort, httpPort }: { mqttPort: number; httpPort: number },
): Promise<Simulation> {
  return simulate({
    mqttUrl: `mqtt://127.0.0.1:${mqttPort}`,
    apiUrl: `http://127.0.0.1:${httpPort}`,
    apiKey: undefined,
    token: undefined,
    devices,
    prefix: "demo-",
    rate: 0.5,
    seed: 1,
    sleepers: 0.1,
    misbehaviour: { duplicates: 0.01, bad: 0.003, losses: 0.1 },
    say: () => {},
    progressMs: 0,
  });
}
