import type { GeoPermissibleObjects } from "d3-geo";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import address from "world-atlas/land-110m.json?url";

/** The world's land (Natural Earth, 1:110 million), fetched from our own server once. */
export async function loadLand(): Promise<GeoPermissibleObjects> {
  const response = await fetch(address);
  const topology = (await response.json()) as Topology<{ land: GeometryCollection }>;
  return feature(topology, topology.objects.land);
}
