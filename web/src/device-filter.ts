/** What the device list shows. It lives in the address, so that a view can be kept and shared. */
export type DeviceFilter = {
  search: string;
  status: "" | "online" | "offline";
  flapping: boolean;
  region: string;
  type: string;
  /** name:value; empty: any. */
  tag: string;
};

export function readFilter(search: string): DeviceFilter {
  const query = new URLSearchParams(search);
  const status = query.get("status");
  return {
    search: query.get("search") ?? "",
    status: status === "online" || status === "offline" ? status : "",
    flapping: query.get("flapping") === "true",
    region: query.get("region") ?? "",
    type: query.get("type") ?? "",
    tag: query.get("tag") ?? "",
  };
}

/** The filter as a query, for the address and for the API alike: nothing that is not set. */
export function filterQuery(filter: DeviceFilter): URLSearchParams {
  const query = new URLSearchParams();
  if (filter.search) query.set("search", filter.search);
  if (filter.status) query.set("status", filter.status);
  if (filter.flapping) query.set("flapping", "true");
  if (filter.region) query.set("region", filter.region);
  if (filter.type) query.set("type", filter.type);
  if (filter.tag) query.set("tag", filter.tag);
  return query;
}
