import type { Misbehaviour } from "./behaviour.ts";
import { DeviceSimulation } from "./device.ts";
import { registryLines, simulatedFleet } from "./fleet.ts";
import { newTally, progressLine, type Tally } from "./tally.ts";

export type SimulationOptions = {
  /** MQTT server, e.g. mqtt://127.0.0.1:1883 */
  readonly mqttUrl: string;
  /** HTTP API, e.g. http://127.0.0.1:8080, to register the fleet with type, region and place; null: do not. */
  readonly apiUrl: string | null;
  readonly apiKey: string | undefined;
  readonly token: string | undefined;
  readonly devices: number;
  readonly prefix: string;
  /** Messages per second and device. */
  readonly rate: number;
  readonly seed: number;
  /** Share of the devices that sleep between messages. */
  readonly sleepers: number;
  readonly misbehaviour: Misbehaviour;
  /** Told of progress each `progressMs`; 0 for never. */
  readonly say: (line: string) => void;
  readonly progressMs: number;
};

export type Simulation = {
  readonly tally: Tally;
  /** Ends every device in peace: what is open is acknowledged first. */
  stop(): Promise<void>;
};

/** Registers the fleet and starts its devices, a few each 10 ms so that they do not all come at once. */
export async function simulate(options: SimulationOptions): Promise<Simulation> {
  const { devices: count, prefix, seed, sleepers, say } = options;
  const fleet = simulatedFleet(count, prefix, seed, sleepers, Date.now());
  if (options.apiUrl !== null) await registerFleet(options.apiUrl, options.apiKey, registryLines(fleet));
  const tally = newTally();
  const intervalMs = 1_000 / options.rate;
  const { mqttUrl: url, token, misbehaviour } = options;
  const simulations = fleet.map(
    (device) => new DeviceSimulation(device, { url, token, intervalMs, seed, misbehaviour }, tally),
  );
  let started = 0;
  const starter = setInterval(() => {
    for (const simulation of simulations.slice(started, started + 10)) simulation.start();
    started += 10;
    if (started >= simulations.length) clearInterval(starter);
  }, 10);
  let before = { ...tally };
  const progress =
    options.progressMs === 0
      ? null
      : setInterval(() => {
          say(progressLine(tally, before, options.progressMs / 1_000));
          before = { ...tally };
        }, options.progressMs);
  return {
    tally,
    async stop() {
      clearInterval(starter);
      if (progress !== null) clearInterval(progress);
      await Promise.all(simulations.map((simulation) => simulation.stop()));
    },
  };
}

/** @throws Error with the API's own words when it refuses the fleet, or any part of it */
async function registerFleet(apiUrl: string, apiKey: string | undefined, lines: string): Promise<void> {
  const response = await fetch(new URL("/v1/devices/import", apiUrl), {
    method: "POST",
    headers: {
      "content-type": "application/x-ndjson",
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: lines,
  });
  if (!response.ok)
    throw new Error(`The API refused to register the fleet: ${response.status} ${await response.text()}`);
  const { refused } = (await response.json()) as { refused: { line: number; reason: string }[] };
  if (refused.length > 0)
    throw new Error(`The API refused ${refused.length} devices, the first one for: ${refused[0]!.reason}`);
}
