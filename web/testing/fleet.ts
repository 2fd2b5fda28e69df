import type { DeadLetter, Device, DeviceDetail, DeviceEvent, History, Latest, Stats } from "../src/contract.ts";

/**
 * A made-up fleet for looking at the dashboard without a server behind it: the same devices for the same seed, and
 * histories computed from the time alone.
 */
const cities: [region: string, name: string, latitude: number, longitude: number][] = [
  ["eu-west", "Lyon", 45.76, 4.84],
  ["eu-north", "Tampere", 61.5, 23.76],
  ["eu-south", "Bari", 41.12, 16.87],
  ["us-east", "Raleigh", 35.78, -78.64],
  ["us-west", "Fresno", 36.74, -119.79],
  ["sa-east", "Curitiba", -25.43, -49.27],
  ["ap-south", "Pune", 18.52, 73.86],
  ["ap-east", "Nagoya", 35.18, 136.91],
  ["ap-southeast", "Brisbane", -27.47, 153.03],
  ["af-south", "Nairobi", -1.29, 36.82],
];
const types = ["thermostat", "air-sensor", "pump", "gateway", "meter"];
const dayMs = 86_400_000;

export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function makeFleet(count: number, nowMs: number): Device[] {
  const next = random(7);
  return Array.from({ length: count }, (_, index) => {
    const type = types[Math.floor(next() ** 1.4 * types.length)] ?? "pump";
    const [region, name, latitude, longitude] = cities[Math.floor(next() ** 1.3 * cities.length)] ?? cities[0]!;
    const spread = () => (next() + next() + next() - 1.5) * (next() < 0.3 ? 22 : 9);
    const online = next() > 0.11;
    const sinceMs = nowMs - Math.floor(next() ** 3 * 9 * dayMs) - 4000;
    return {
      id: `${type}-${String(index + 1).padStart(5, "0")}`,
      type,
      region,
      location: { name, latitude: latitude + spread() * 0.6, longitude: longitude + spread() },
      tags: { site: `${name.toLowerCase()}-${1 + Math.floor(next() * 9)}`, line: String(1 + Math.floor(next() * 4)) },
      firmwareVersion: `2.${Math.floor(next() * 4)}.${Math.floor(next() * 10)}`,
      createdAt: new Date(nowMs - 40 * dayMs - next() * 300 * dayMs).toISOString(),
      status: online ? "online" : "offline",
      since: new Date(sinceMs).toISOString(),
      lastSeen: new Date(online ? nowMs - next() * 20_000 : sinceMs).toISOString(),
      connected: online,
      flapping: next() < 0.006,
    };
  });
}

/** What a device measures at a moment: a daily cycle and a slow drift, with noise. */
export function measure(metric: string, ms: number): number | boolean | string {
  const noise = random(Math.floor(ms / 1000) ^ metric.length)() - 0.5;
  const day = Math.sin((2 * Math.PI * ms) / dayMs - 1.9);
  const drift = Math.sin(ms / (6.3 * dayMs));
  switch (metric) {
    case "temperature":
      return Math.round((21 + 4 * day + 1.8 * drift + noise) * 100) / 100;
    case "humidity":
      return Math.round((48 - 9 * day + 3 * drift + 2 * noise) * 10) / 10;
    case "battery":
      return Math.round(96 - ((ms / dayMs) % 40) * 1.7);
    case "signal_strength":
      return Math.round(-67 + 6 * noise + 3 * drift);
    case "motion":
      return noise > 0.2;
    case "mode":
      return Math.floor(ms / 5_400_000) % 2 === 0 ? "eco" : "comfort";
    default:
      return Math.round((1013 + 6 * drift + noise) * 10) / 10;
  }
}

export const metrics = ["temperature", "humidity", "pressure", "battery", "signal_strength", "motion", "mode"];
const everyMs = 10_000;

export function history(metric: string, fromMs: number, toMs: number, maxPoints: number, startMs: number): History {
  const first = Math.ceil(Math.max(fromMs, startMs) / everyMs) * everyMs;
  const head = { metric, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
  const steps = Math.max(0, Math.floor((toMs - first) / everyMs));
  if (steps <= maxPoints || typeof measure(metric, first) !== "number") {
    const points = Array.from({ length: Math.min(steps, 10_000) }, (_, at) => {
      const ms = first + at * everyMs;
      return { ts: new Date(ms).toISOString(), value: measure(metric, ms) };
    });
    return { ...head, kind: "raw", points };
  }
  const bucketSeconds = Math.ceil((toMs - fromMs) / maxPoints / 60_000) * 60;
  const points = [];
  for (
    let ms = Math.floor(first / 1000 / bucketSeconds) * bucketSeconds * 1000;
    ms < toMs;
    ms += bucketSeconds * 1000
  ) {
    const values = Array.from({ length: 12 }, (_, at) =>
      Number(measure(metric, ms + (at * bucketSeconds * 1000) / 12)),
    );
    const avg = values.reduce((a, b) => a + b, 0) / values.length;
    points.push({
      ts: new Date(ms).toISOString(),
      count: Math.floor((bucketSeconds * 1000) / everyMs),
      avg,
      min: Math.min(...values),
      max: Math.max(...values),
    });
  }
  return { ...head, kind: "buckets", bucketSeconds, points };
}

export function detailOf(device: Device, nowMs: number): DeviceDetail {
  const latest: Record<string, Latest> = {};
  for (const metric of metrics) {
    const ts = new Date(device.status === "online" ? nowMs - 4000 : Date.parse(device.lastSeen!)).toISOString();
    const value = measure(metric, Date.parse(ts));
    const numbers = typeof value === "number";
    latest[metric] = {
      value,
      ts,
      receivedAt: ts,
      count: numbers ? 184_213 : 0,
      mean: numbers ? value * 0.98 : 0,
      min: numbers ? Math.min(value * 0.7, value * 1.3) : 0,
      max: numbers ? Math.max(value * 0.7, value * 1.3) : 0,
      stddev: numbers ? Math.abs(value * (metric === "temperature" ? 0.11 : 0.04)) : 0,
    };
  }
  const timestamp = Math.floor(nowMs / 1000) - 340;
  return {
    ...device,
    revision: 1044,
    latest,
    commands: [],
    shadows: {
      "": {
        version: 42,
        metadata: { desired: { setpoint: { timestamp } } },
        state: {
          desired: {
            sampling: { intervalSeconds: 10, jitter: false },
            setpoint: 21.5,
            mode: "comfort",
            schedule: ["06:30", "22:00"],
          },
          reported: {
            sampling: { intervalSeconds: 30, jitter: false },
            setpoint: 21.5,
            mode: "eco",
            schedule: ["06:30", "22:00"],
            firmware: { version: device.firmwareVersion, partition: "b" },
            uptimeSeconds: 183_442,
          },
        },
      },
      network: {
        version: 7,
        metadata: { reported: { rssi: { timestamp: timestamp - 90_000 } } },
        state: { desired: { apn: "iot.example" }, reported: { apn: "iot.example", rssi: -71 } },
      },
    },
  };
}

export function presenceEvents(device: Device, nowMs: number): DeviceEvent[] {
  const next = random(device.id.length + Number(device.id.slice(-5)));
  const events: DeviceEvent[] = [];
  let atMs = Date.parse(device.since ?? device.createdAt);
  let status = device.status;
  for (let offset = 90_000; atMs > nowMs - 8 * dayMs && offset > 89_940; offset--) {
    const at = new Date(atMs).toISOString();
    const reason = status === "offline" ? "keep-alive elapsed" : "connected";
    events.push({ offset, device: device.id, kind: "presence", at, reason, status, since: at });
    atMs -= status === "online" ? 600_000 + next() * 5_000_000 : 3_600_000 + next() * 60_000_000;
    status = status === "online" ? "offline" : "online";
  }
  return events;
}

export function fleetEvents(devices: Device[], nowMs: number): DeviceEvent[] {
  if (devices.length === 0) return [];
  const next = random(99);
  const kinds = [
    (at: string) => ({ kind: "presence", status: "online", since: at, reason: "connected" }),
    (at: string) => ({ kind: "presence", status: "offline", since: at, reason: "socket closed" }),
    () => ({ kind: "shadowUpdated", shadow: "", version: 43, reported: { mode: "eco", setpoint: 21.5 } }),
    () => ({ kind: "shadowUpdated", shadow: "network", version: 8, desired: { apn: "iot.example" } }),
    () => ({ kind: "commandRequested", name: "reboot" }),
    () => ({ kind: "commandMoved", to: "succeeded" }),
    () => ({ kind: "presence", flapping: "started", edge: "disconnected", reason: "socket closed" }),
    () => ({ kind: "deadLettered", reason: "malformed-json", detail: "The payload is not valid JSON." }),
  ];
  return Array.from({ length: 60 }, (_, index) => {
    const at = new Date(nowMs - index * index * 900 - next() * 900).toISOString();
    const make = kinds[Math.floor(next() ** 1.5 * kinds.length)]!;
    return { offset: 99_000 - index, device: devices[Math.floor(next() * devices.length)]!.id, at, ...make(at) };
  });
}

export function deadLetters(devices: Device[], nowMs: number): DeadLetter[] {
  if (devices.length === 0) return [];
  const next = random(5);
  const samples = [
    [
      "malformed-json",
      "The payload is not valid JSON: Unexpected end of JSON input.",
      '{"readings":{"temperature":21.',
    ],
    [
      "bad-reading-type",
      'Reading "pressure" is null but needs a number, boolean or string.',
      '{"readings":{"pressure":null}}',
    ],
    [
      "clock-ahead",
      '"ts" is 2041-01-01T00:00:00Z, too far ahead of our clock. Set the device\'s clock.',
      '{"ts":"2041-01-01T00:00:00Z","readings":{"temperature":20.1}}',
    ],
    [
      "unknown-field",
      'The field "value" is unknown; the fields are ts, seq, boot, id, readings, tags.',
      `{"value":${"1".repeat(400)}}`,
    ],
    [
      "quarantined",
      "latitude is 91.02, above 90 (rule latitude).",
      '{"seq":4711,"readings":{"latitude":91.02,"longitude":9.74,"speed":12.5}}',
    ],
  ] as const;
  return Array.from({ length: 120 }, (_, index) => {
    const [reason, detail, payload] = samples[Math.floor(next() * samples.length)]!;
    const device = devices[Math.floor(next() * devices.length)]!.id;
    const at = new Date(nowMs - index * 47_000).toISOString();
    return {
      id: `${500 - index}`,
      device,
      at,
      topic: `devices/${device}/telemetry`,
      reason,
      detail,
      payload,
      encoding: "utf8",
      type: "pump",
      region: "eu-north",
      broken: reason === "quarantined" ? [{ rule: "latitude", metric: "latitude" }] : [],
      sendable: true,
      resend: null,
    };
  });
}

export function statsOf(devices: Device[], messagesPerSecond: number): Stats {
  const regions = new Map<string, { region: string; devices: number; online: number }>();
  for (const device of devices) {
    const region = regions.get(device.region) ?? { region: device.region, devices: 0, online: 0 };
    region.devices += 1;
    if (device.status === "online") region.online += 1;
    regions.set(device.region, region);
  }
  const online = devices.filter((device) => device.status === "online").length;
  return {
    devices: devices.length,
    online,
    offline: devices.length - online,
    flapping: devices.filter((device) => device.flapping).length,
    regions: [...regions.values()],
    types: types.map((type) => {
      const of = devices.filter((device) => device.type === type);
      return { type, devices: of.length, online: of.filter(({ status }) => status === "online").length };
    }),
    messagesPerSecond,
    twinsInMemory: devices.length,
    deadLetters:
      devices.length === 0 ? {} : { quarantined: 24, "malformed-json": 71, "bad-reading-type": 33, "clock-ahead": 16 },
    sinkLag: { timeseries: Math.round(messagesPerSecond / 40), fleet: 3 },
  };
}
