/** The fleet index as plain maps, record by record: for tests and the smallest of set-ups. */
import { isEnded } from "../../core/device/commands.ts";
import { isConnected, statusOf } from "../../core/device/presence.ts";
import type { TwinRecord } from "../../core/device/records.ts";
import { memoryProgress } from "../time-series/memory.ts";
import { type Position, positionOf, seenMs } from "./changes.ts";
import { comparePlaces, decodeIdCursor, decodePlaceCursor, encodeCursor, type Place } from "./cursor.ts";
import {
  type CommandSummary,
  type DeadLetterEvent,
  type DeadLetterFilter,
  type DeviceEvent,
  type DeviceFilter,
  type DeviceSummary,
  type FleetIndex,
  isEvent,
  type Page,
} from "./port.ts";
import { statsOf } from "./stats.ts";

type StoredDevice = DeviceSummary & {
  readonly position: Position | null;
  /** What was seen before does not count; 0 where the log is in order. */
  readonly registeredMs: number;
};
/** Of devices that are there and of others: a registration may come after what was seen. */
type Sighting = { seenMs: number; position: Position | null; positionMs: number };
type StoredCommand = CommandSummary & { readonly offset: number };

export function memoryFleetIndex(): FleetIndex {
  const stored = memoryProgress();
  const sightings = new Map<string, Sighting>();
  const devices = new Map<string, StoredDevice>();
  const commands = new Map<string, StoredCommand>();
  const deadLetters = new Map<string, number>();
  let events: DeviceEvent[] = [];

  function matching(filter: DeviceFilter): StoredDevice[] {
    return [...devices.values()].filter((device) => matches(device, filter)).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  return {
    progress: async () => stored.in("") ?? 0,
    progressIn: async (partition) => stored.in(partition),
    async apply(entries, progress) {
      stored.move(progress);
      for (const { device, offset, record } of entries) {
        if (progress.partition === undefined) applyToDevices(devices, device, record);
        else applyInAnyOrder(devices, sightings, device, record);
        applyToCommands(commands, device, offset, record);
        if (isEvent(record)) events.push({ device, offset, record });
        if (record.kind === "deadLettered") deadLetters.set(record.reason, (deadLetters.get(record.reason) ?? 0) + 1);
      }
    },
    // Nothing waits here.
    async settleSightings() {},
    async device(id) {
      const device = devices.get(id);
      return device === undefined ? null : summaryOf(device);
    },
    async devices(filter, { cursor, limit }) {
      const after = decodeIdCursor(cursor);
      const found = matching(filter).filter(({ id }) => after === null || id > after);
      return page(found.map(summaryOf), limit, ({ id }) => encodeCursor("device", id));
    },
    async count(filter) {
      return matching(filter).length;
    },
    async stats() {
      return statsOf([...devices.values()].map((device) => ({ ...device, count: 1 })));
    },
    async located(limit) {
      const found = matching({}).flatMap(({ id, status, position, location }) => {
        const latitude = position?.latitude ?? location?.latitude;
        const longitude = position?.longitude ?? location?.longitude;
        return latitude === undefined || longitude === undefined ? [] : [{ id, latitude, longitude, status }];
      });
      return found.slice(0, limit);
    },
    async deadLetterCounts() {
      return Object.fromEntries(deadLetters);
    },
    async events({ device, kinds }, { cursor, limit }) {
      const below = decodePlaceCursor("event", cursor);
      const found = events
        .filter((event) => comparePlaces(eventPlace(event), below) < 0 && (device === null || event.device === device))
        .filter(({ record }) => kinds === undefined || kinds.includes(record.kind))
        .sort((a, b) => comparePlaces(eventPlace(b), eventPlace(a)));
      return page(found, limit, (event) => encodeCursor("event", eventPlace(event)));
    },
    async deadLetters(filter, { cursor, limit }) {
      const below = decodePlaceCursor("event", cursor);
      const found = events
        .filter((event) => comparePlaces(eventPlace(event), below) < 0)
        .filter((event): event is DeadLetterEvent => event.record.kind === "deadLettered")
        .filter((letter) => matchesLetter(letter, filter))
        .sort((a, b) => comparePlaces(eventPlace(b), eventPlace(a)));
      return page(found, limit, (event) => encodeCursor("event", eventPlace(event)));
    },
    async deadLetter({ device, atMs, offset }) {
      const place = { device, atMs, offset, kind: "deadLettered" };
      const found = events.find((event) => comparePlaces(eventPlace(event), place) === 0);
      return (found as DeadLetterEvent | undefined) ?? null;
    },
    async commands({ device, state }, { cursor, limit }) {
      const below = decodePlaceCursor("command", cursor);
      const found = [...commands.values()]
        .filter((command) => comparePlaces(commandPlace(command), below) < 0)
        .filter((command) => device === null || command.device === device)
        .filter((command) => state === undefined || command.state === state)
        .sort((a, b) => comparePlaces(commandPlace(b), commandPlace(a)));
      const { items, next } = page(found, limit, (command) => encodeCursor("command", commandPlace(command)));
      return { items: items.map(withoutOffset), next };
    },
    async command(device, command) {
      const found = commands.get(`${device}/${command}`);
      return found === undefined ? null : withoutOffset(found);
    },
    async trimEvents(epochMs) {
      events = events.filter(({ record }) => record.atMs >= epochMs);
      for (const [key, { state, updatedAtMs }] of commands)
        if (isEnded(state) && updatedAtMs < epochMs) commands.delete(key);
    },
  };
}

function eventPlace({ offset, device, record: { atMs, kind } }: DeviceEvent): Place {
  return { atMs, offset, device, kind };
}

function commandPlace({ createdAtMs: atMs, offset, device }: StoredCommand): Place {
  return { atMs, offset, device, kind: "" };
}

/** Records of one device by several partitions: sightings and registrations meet by their times. */
function applyInAnyOrder(
  devices: Map<string, StoredDevice>,
  sightings: Map<string, Sighting>,
  id: string,
  record: TwinRecord,
): void {
  const known = sightings.get(id) ?? { seenMs: 0, position: null, positionMs: 0 };
  const position = record.kind === "telemetry" ? positionOf(record.readings) : null;
  const located = position === null ? known : { position, positionMs: record.atMs };
  const sighting = { ...known, ...located, seenMs: Math.max(known.seenMs, seenMs(record)) };
  sightings.set(id, sighting);
  applyToDevices(devices, id, record);
  const device = devices.get(id);
  if (device === undefined) return;
  const registeredMs = record.kind === "registered" ? record.atMs : device.registeredMs;
  const lastSeenMs = sighting.seenMs >= registeredMs ? sighting.seenMs : 0;
  devices.set(id, {
    ...device,
    ...{ registeredMs, lastSeenMs, position: sighting.positionMs >= registeredMs ? sighting.position : null },
  });
}

function applyToDevices(devices: Map<string, StoredDevice>, id: string, record: TwinRecord): void {
  const device = devices.get(id);
  if (record.kind === "registered") {
    devices.set(id, { ...newDevice(id), ...record.registration });
  } else if (record.kind === "registrationChanged") {
    devices.set(id, { ...(device ?? newDevice(id)), ...record.registration });
  } else if (record.kind === "deregistered") {
    devices.delete(id);
  } else if (device !== undefined) {
    const lastSeenMs = Math.max(device.lastSeenMs, seenMs(record));
    const position = record.kind === "telemetry" ? (positionOf(record.readings) ?? device.position) : device.position;
    devices.set(id, { ...device, ...(record.kind === "presence" ? presenceOf(record) : {}), lastSeenMs, position });
  }
}

function newDevice(
  id: string,
): Omit<StoredDevice, "type" | "region" | "location" | "tags" | "firmwareVersion" | "createdAtMs"> {
  return {
    ...{ id, status: "offline", sinceMs: 0, lastSeenMs: 0, connected: false, flapping: false },
    ...{ position: null, registeredMs: 0 },
  };
}

function presenceOf({ presence }: Extract<TwinRecord, { kind: "presence" }>) {
  const { sinceMs, flapping } = presence;
  return { status: statusOf(presence), sinceMs, connected: isConnected(presence), flapping };
}

function applyToCommands(
  commands: Map<string, StoredCommand>,
  device: string,
  offset: number,
  record: TwinRecord,
): void {
  if (record.kind === "commandRequested") {
    const { command, name, parameters, atMs, expiresAtMs } = record;
    commands.set(`${device}/${command}`, {
      ...{ command, device, name, parameters, state: "queued", createdAtMs: atMs, updatedAtMs: atMs, expiresAtMs },
      ...{ progress: null, result: null, reason: null, offset },
    });
  } else if (record.kind === "commandMoved") {
    const known = commands.get(`${device}/${record.command}`);
    if (known === undefined) return;
    const {
      to: state,
      atMs: updatedAtMs,
      progress = known.progress,
      result = known.result,
      reason = known.reason,
    } = record;
    commands.set(`${device}/${record.command}`, { ...known, state, updatedAtMs, progress, result, reason });
  }
}

function matches(device: DeviceSummary, filter: DeviceFilter): boolean {
  const { status, flapping, region, type, tag, search } = filter;
  return (
    (status === undefined || device.status === status) &&
    (flapping === undefined || device.flapping === flapping) &&
    (region === undefined || device.region === region) &&
    (type === undefined || device.type === type) &&
    (tag === undefined || (Object.hasOwn(device.tags, tag.name) && device.tags[tag.name] === tag.value)) &&
    (search === undefined || device.id.toLowerCase().includes(search.toLowerCase()))
  );
}

function matchesLetter({ device, record }: DeadLetterEvent, filter: DeadLetterFilter): boolean {
  const { reason, rule, type, region, fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = filter;
  return (
    (filter.device === undefined || device === filter.device) &&
    (reason === undefined || record.reason === reason) &&
    (rule === undefined || record.broken?.some((broken) => broken.rule === rule) === true) &&
    (type === undefined || (record.type ?? "default") === type) &&
    (region === undefined || (record.region ?? "") === region) &&
    record.atMs >= fromMs &&
    record.atMs < toMs
  );
}

function page<T>(found: readonly T[], limit: number, cursorOf: (item: T) => string): Page<T> {
  const items = found.slice(0, limit);
  return { items, next: found.length > limit ? cursorOf(items.at(-1)!) : null };
}

function summaryOf({ position: _, registeredMs: __, ...summary }: StoredDevice): DeviceSummary {
  return summary;
}

function withoutOffset({ offset: _, ...command }: StoredCommand): CommandSummary {
  return command;
}
