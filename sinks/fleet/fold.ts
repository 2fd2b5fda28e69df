import type { DeviceEvent } from "../../ports/fleet-index/port.ts";
import type { LogItem } from "../consumer.ts";

/** The items as the index takes them. */
export function deviceEventsOf(items: readonly LogItem[]): DeviceEvent[] {
  return items.map(({ offset, entry }) => ({ offset, device: entry.device, record: entry.record }));
}
