/** Who listens to what: found by device and by region without asking every listener. */
import { z } from "@hono/zod-openapi";
import { DeviceId, plainText } from "./route.ts";

/** Devices and regions that one listener may have at a time. */
export const maxDevices = 10_000;
export const maxRegions = 1_000;

const Selection = z
  .strictObject({
    fleet: z.literal(true).optional(),
    devices: z.array(DeviceId).max(maxDevices).optional(),
    regions: z.array(plainText(128)).max(maxRegions).optional(),
  })
  .refine((selection) => Object.keys(selection).length > 0, { error: "names nothing: fleet, devices or regions" });

/** What a client sends. */
export const LiveRequest = z.union([
  z.strictObject({ subscribe: Selection }),
  z.strictObject({ unsubscribe: Selection }),
]);
export type LiveRequest = z.infer<typeof LiveRequest>;

export class LiveSubscriptions<Listener> {
  readonly #fleet = new Set<Listener>();
  readonly #byDevice = new Map<string, Set<Listener>>();
  readonly #byRegion = new Map<string, Set<Listener>>();
  readonly #topics = new Map<Listener, { devices: Set<string>; regions: Set<string> }>();

  get fleet(): ReadonlySet<Listener> {
    return this.#fleet;
  }

  /** Changes what the listener hears; what is wrong with the request, or null. All of it or nothing. */
  change(listener: Listener, request: LiveRequest): string | null {
    const adds = "subscribe" in request;
    const { fleet, devices = [], regions = [] } = adds ? request.subscribe : request.unsubscribe;
    const topics = this.#topics.get(listener) ?? { devices: new Set<string>(), regions: new Set<string>() };
    if (adds) {
      if (new Set([...topics.devices, ...devices]).size > maxDevices)
        return `A connection listens to at most ${maxDevices} devices. Listen to regions or to the fleet.`;
      if (new Set([...topics.regions, ...regions]).size > maxRegions)
        return `A connection listens to at most ${maxRegions} regions. Listen to the fleet.`;
    }
    this.#topics.set(listener, topics);
    if (fleet === true) adds ? this.#fleet.add(listener) : this.#fleet.delete(listener);
    for (const device of devices) move(this.#byDevice, topics.devices, device, listener, adds);
    for (const region of regions) move(this.#byRegion, topics.regions, region, listener, adds);
    return null;
  }

  /** The listener is gone. */
  remove(listener: Listener): void {
    const topics = this.#topics.get(listener);
    this.#topics.delete(listener);
    this.#fleet.delete(listener);
    if (topics === undefined) return;
    for (const device of topics.devices) move(this.#byDevice, topics.devices, device, listener, false);
    for (const region of topics.regions) move(this.#byRegion, topics.regions, region, listener, false);
  }

  /** Those who listen to the device itself or to its region, each once. */
  of(device: string, region: string): Iterable<Listener> {
    const toDevice = this.#byDevice.get(device);
    const toRegion = this.#byRegion.get(region);
    if (toDevice === undefined) return toRegion ?? [];
    return toRegion === undefined ? toDevice : new Set([...toDevice, ...toRegion]);
  }

  isHeard(device: string, region: string): boolean {
    return this.#byDevice.has(device) || this.#byRegion.has(region);
  }
}

function move<Listener>(
  index: Map<string, Set<Listener>>,
  own: Set<string>,
  topic: string,
  listener: Listener,
  adds: boolean,
): void {
  const listeners = index.get(topic);
  if (adds) {
    own.add(topic);
    if (listeners === undefined) index.set(topic, new Set([listener]));
    else listeners.add(listener);
    return;
  }
  own.delete(topic);
  listeners?.delete(listener);
  if (listeners?.size === 0) index.delete(topic);
}
