/** The simulated fleet: who the devices are. The same seed gives the same fleet. */
import { pick, seeded } from "./random.ts";
import type { Kind, Profile } from "./signals.ts";

export type SimulatedDevice = {
  readonly id: string;
  readonly region: string;
  readonly place: string;
  readonly profile: Profile;
  readonly firmwareVersion: string;
  /** Sleeps between messages, with a persistent MQTT session. */
  readonly sleeper: boolean;
};

const places = [
  { region: "eu-central", place: "Berlin", latitude: 52.52, longitude: 13.4 },
  { region: "eu-central", place: "Wien", latitude: 48.21, longitude: 16.37 },
  { region: "eu-west", place: "Lisboa", latitude: 38.72, longitude: -9.14 },
  { region: "eu-north", place: "Tromsø", latitude: 69.65, longitude: 18.96 },
  { region: "us-east", place: "Boston", latitude: 42.36, longitude: -71.06 },
  { region: "us-west", place: "Seattle", latitude: 47.61, longitude: -122.33 },
  { region: "sa-east", place: "São Paulo", latitude: -23.55, longitude: -46.63 },
  { region: "af-south", place: "Nairobi", latitude: -1.29, longitude: 36.82 },
  { region: "ap-south", place: "Pune", latitude: 18.52, longitude: 73.86 },
  { region: "ap-east", place: "Osaka", latitude: 34.69, longitude: 135.5 },
  { region: "ap-southeast", place: "Perth", latitude: -31.95, longitude: 115.86 },
] as const;
const kinds: readonly Kind[] = ["climate", "climate", "climate", "motion", "tracker"];
const dayMs = 86_400_000;

export function simulatedFleet(
  count: number,
  prefix: string,
  seed: number,
  sleepers: number,
  nowMs: number,
): SimulatedDevice[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `${prefix}${String(index + 1).padStart(4, "0")}`;
    const random = seeded(seed, id);
    const { region, place, latitude, longitude } = pick(random, places);
    const profile: Profile = {
      kind: pick(random, kinds),
      meanTemperature: 24 - Math.abs(latitude) / 4 + random() * 6,
      dailySwing: 2 + random() * 5,
      noise: 0.1 + random() * 0.3,
      meanHumidity: 40 + random() * 35,
      latitude: latitude + (random() - 0.5) * 0.6,
      longitude: longitude + (random() - 0.5) * 0.6,
      batteryFullAtMs: nowMs - random() * 200 * dayMs,
      batteryLifeMs: (200 + random() * 400) * dayMs,
      signalDbm: -50 - random() * 45,
    };
    const firmwareVersion = pick(random, ["1.4.2", "1.4.2", "1.5.0", "2.0.0-rc.1"]);
    return { id, region, place, profile, firmwareVersion, sleeper: random() < sleepers };
  });
}

/** The fleet as JSON lines for `POST /v1/devices/import`. */
export function registryLines(fleet: readonly SimulatedDevice[]): string {
  return fleet
    .map(({ id, region, place, profile, firmwareVersion, sleeper }) =>
      JSON.stringify({
        id,
        type: profile.kind,
        region,
        location: { name: place, latitude: round(profile.latitude), longitude: round(profile.longitude) },
        tags: sleeper ? { simulated: "yes", power: "sleeper" } : { simulated: "yes" },
        firmwareVersion,
      }),
    )
    .join("\n");
}

function round(degrees: number): number {
  return Number(degrees.toFixed(5));
}
