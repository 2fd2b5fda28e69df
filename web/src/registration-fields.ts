import type { Device, Registration } from "./contract.ts";

/** A registration as the form holds it: everything is text until it is read. */
export type RegistrationFields = {
  id: string;
  type: string;
  region: string;
  place: string;
  latitude: string;
  longitude: string;
  firmwareVersion: string;
  /** A line each: name=value. */
  tags: string;
};

export function fieldsOf(device: Device | null): RegistrationFields {
  const { location } = device ?? { location: null };
  return {
    id: device?.id ?? "",
    type: device?.type ?? "",
    region: device?.region ?? "",
    place: location?.name ?? "",
    latitude: location?.latitude === undefined ? "" : String(location.latitude),
    longitude: location?.longitude === undefined ? "" : String(location.longitude),
    firmwareVersion: device?.firmwareVersion ?? "",
    tags: Object.entries(device?.tags ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join("\n"),
  };
}

/** The request that the fields stand for, or what is wrong with them. Tags that `before` had and the form lacks go. */
export function readFields(fields: RegistrationFields, before: Device | null): Registration | { wrong: string } {
  const tags = new Map<string, string | null>(Object.keys(before?.tags ?? {}).map((name) => [name, null]));
  for (const line of fields.tags.split("\n")) {
    if (line.trim() === "") continue;
    const equals = line.indexOf("=");
    if (equals < 1) return { wrong: `The tag “${line.trim()}” needs the form name=value.` };
    tags.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim());
  }
  const latitude = fields.latitude.trim();
  const longitude = fields.longitude.trim();
  if ((latitude === "") !== (longitude === "")) return { wrong: "A position needs both latitude and longitude." };
  const place = {
    ...(fields.place.trim() ? { name: fields.place.trim() } : {}),
    ...(latitude ? { latitude: Number(latitude), longitude: Number(longitude) } : {}),
  };
  const fresh = before === null;
  const located = Object.keys(place).length > 0;
  const firmware = fields.firmwareVersion.trim();
  return {
    ...(fresh ? { id: fields.id.trim() } : {}),
    ...(fields.type.trim() ? { type: fields.type.trim() } : {}),
    ...(fresh && !fields.region.trim() ? {} : { region: fields.region.trim() }),
    ...(located ? { location: place } : fresh ? {} : { location: null }),
    ...(firmware ? { firmwareVersion: firmware } : fresh ? {} : { firmwareVersion: null }),
    tags: Object.fromEntries(tags),
  };
}
